"""Train everything that ships, from the recordings to the tables, in one command.

What is already there is not made again.

    python -m experiments.embedded_models.everything --work /tmp/work [--device cuda]
        [--scale 0.01] [--list]

On a CPU it takes about 8 hours of one core. With `--device cuda` batches are larger and other
processes mix them; `--scale 0.01` tries whether everything runs; `--list` prints the commands and
does nothing else.

Killed and started again it goes on where it was: trainings from their last checkpoint, the rest
from its last whole step.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
MODELS = HERE.parents[1] / "speechclean" / "assets" / "models"


@dataclass(frozen=True)
class Step:
    """A command, and how to tell that it has been done."""

    name: str
    module: str
    arguments: tuple[str, ...]
    training: Path | None = None

    def line(self) -> list[str]:
        more = [f"hydra.run.dir={self.training}"] if self.training else []
        if self.training and (self.training / "last.pt").exists():
            more.append("resume=true")
        return [
            sys.executable,
            "-m",
            f"experiments.embedded_models.{self.module}",
            *self.arguments,
            *more,
        ]


def steps(work: Path, source: Path, scale: float, device: str) -> list[Step]:
    """The steps, in order.

    `scale` shortens the trainings and what is made for them; 1 is what ships.
    """
    banks, made = (
        work / "banks",
        {name: work / name for name in ("voices", "midi", "composed", "remains")},
    )
    fast = ("batch=32", "data.workers=14", "precision=tf32") if device == "cuda" else ()

    def training(name: str, network: str, minutes: float, data: Path, *more: str) -> Step:
        told = (
            f"network={network}",
            f"data.banks={data}",
            f"minutes={minutes * scale:g}",
            f"device={device}",
            *fast,
            *more,
        )
        return Step(name, "train", told, work / name)

    def some(count: int) -> str:
        return str(max(8, round(count * scale)))

    pairs = ("--train", some(2400))
    best = (str(work / "htdemucs" / "last.pt"), str(work / "hdemucs" / "last.pt"))
    return [
        Step("recordings", "data", ("--source", str(source), "--banks", str(banks))),
        Step("voices", "voices", ("--out", str(made["voices"]), "--minutes", some(120))),
        Step("tunes", "compose", ("--out", str(made["midi"]), "--count", some(420))),
        Step("music", "render", ("--midi", str(made["midi"]), "--out", str(made["composed"]))),
        Step("textures", "textures", ("--out", str(made["composed"]), "--count", some(240))),
        Step(
            "banks",
            "data",
            (
                "--banks",
                str(banks),
                "--voices",
                str(made["voices"]),
                "--composed",
                str(made["composed"]),
            ),
        ),
        training("hdemucs", "hdemucs", 180, banks, "seed=2", "recipe.real=0.7"),
        Step("transplant", "transplant", ("--donor", best[1], "--out", str(work / "start.pt"))),
        training(
            "htdemucs",
            "htdemucs",
            180,
            banks,
            "seed=3",
            "recipe.real=0.7",
            f"init={work / 'start.pt'}",
        ),
        Step(
            "remains",
            "remains",
            ("--banks", str(banks), "--checkpoints", *best, "--out", str(made["remains"]), *pairs),
        ),
        training("denoiser", "denoiser", 60, made["remains"], "seed=4", "batch=4"),
    ]


def judged(work: Path, source: Path, out: Path) -> list[Step]:
    """Export and the tables, once the networks are there."""
    checkpoints = [
        f"--{name}={work / name / 'last.pt'}" for name in ("htdemucs", "hdemucs", "denoiser")
    ]
    dev = source.parent / "dev"
    mixtures = work / "mixtures"
    subprocess.run(
        [sys.executable, dev / "mix.py", "--root", dev, "--n", "40", "--out", mixtures], check=True
    )
    return [
        Step("export", "export", (*checkpoints, "--out", str(MODELS))),
        Step("choices", "choose", ("--banks", str(work / "banks"), "--out", str(out))),
        Step(
            "table",
            "evaluate",
            ("--mixtures", str(mixtures), "--clean", str(dev / "speech"), "--out", str(out)),
        ),
    ]


def run(all_steps: Sequence[Step], done_file: Path) -> None:
    """In order; each that ends well is noted, and not run again."""
    done = set(done_file.read_text().split()) if done_file.exists() else set()
    for number, step in enumerate(all_steps, 1):
        if step.name in done:
            continue
        print(f"[{number}/{len(all_steps)}] {step.name}: {' '.join(step.line()[1:])}", flush=True)
        ended = subprocess.run(step.line(), check=False)
        if ended.returncode:
            sys.exit(
                f"{step.name} ended with {ended.returncode}; mend it and start again: what is "
                "done stays done"
            )
        with done_file.open("a") as file:
            file.write(f"{step.name}\n")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--work", type=Path, required=True, help="scratch folder outside the repository, some 4 GB"
    )
    parser.add_argument(
        "--source",
        type=Path,
        default=Path("../shared/data/train"),
        help="recordings, with manifest.tsv",
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of the trainings and what is made for them"
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument(
        "--ship", action="store_true", help="replace the shipped weights and the tables of results/"
    )
    parser.add_argument("--list", action="store_true", help="say what would be run")
    args = parser.parse_args(argv)
    planned = steps(args.work, args.source, args.scale, args.device)
    if args.list:
        print("\n".join(" ".join(step.line()[1:]) for step in planned))
        return
    args.work.mkdir(parents=True, exist_ok=True)
    run(planned, args.work / "done.txt")
    if args.ship:
        run(judged(args.work, args.source, RESULTS), args.work / "shipped.txt")


if __name__ == "__main__":
    main()
