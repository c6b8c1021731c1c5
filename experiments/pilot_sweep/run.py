"""Run the recorded studies.

60 trials each on the pilot and on mixtures of held-out recordings: three seeds, a Pareto front,
fusion rules.

    python -m experiments.pilot_sweep.run --work /tmp/pilot_sweep --dev ../shared/data/dev
        [--only pilot_0 dev_0]

Every study is one command of `speechclean`; started again, it goes on where it stopped, and
`results.py` writes the tables from what there is. All of them share one cache of estimates and one
MLflow store in the work folder.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path

#: Mixtures made of the held-out recordings: two minutes of audio.
MIXTURES = 16
#: By name: the search, whether the files are the held-out ones, and what else is on the command
#: line.
STUDIES: dict[str, tuple[str, bool, list[str]]] = {
    "pilot_0": ("optuna", False, ["sweep.seed=0"]),
    "dev_0": ("optuna", True, ["sweep.seed=0"]),
    "dev_front": ("pareto", True, ["sweep.seed=0"]),
    "dev_fusion": ("grid_fusion", True, []),
    "pilot_1": ("optuna", False, ["sweep.seed=1"]),
    "pilot_2": ("optuna", False, ["sweep.seed=2"]),
    "dev_1": ("optuna", True, ["sweep.seed=1"]),
    "dev_2": ("optuna", True, ["sweep.seed=2"]),
    "pilot_front": ("pareto", False, ["sweep.seed=0"]),
}


def manifest(dev: Path, work: Path) -> Path:
    """Mixtures of the held-out recordings (`mix.py` stands beside them), and a manifest of them."""
    folder = work / "mixtures"
    if not (folder / "mixtures.tsv").is_file():
        command = [
            sys.executable,
            "mix.py",
            "--root",
            ".",
            "--n",
            str(MIXTURES),
            "--out",
            str(folder.absolute()),
        ]
        subprocess.run(command, cwd=dev, check=True)
    with (folder / "mixtures.tsv").open(newline="") as file:
        names = [row["id"] for row in csv.DictReader(file, delimiter="\t")]
    path = work / "dev.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "reference", "alias"])
        writer.writerows(
            [folder / f"{name}_mix.wav", folder / f"{name}_speech.wav", name] for name in names
        )
    return path


def command(name: str, work: Path, held_out: Path, trials: int) -> list[str]:
    """One study as a command line."""
    search, on_dev, rest = STUDIES[name]
    line = [
        sys.executable,
        "-m",
        "speechclean",
        "-m",
        f"sweep={search}",
        f"sweep.study={name}",
        *rest,
    ]
    line += [f"sweep.n_trials={trials}"] if search != "grid_fusion" else []
    line += ["dataset=manifest", f"dataset.path={held_out}"] if on_dev else []
    return [
        *line,
        f"hydra.sweep.dir={work / name}",
        f"cache.dir={work / 'cache'}",
        f"tracking.uri=sqlite:///{work / 'mlflow.db'}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--trials", type=int, default=60)
    arguments = parser.parse_args()
    work = arguments.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    held_out = manifest(arguments.dev, work)
    for name in arguments.only:
        subprocess.run(command(name, work, held_out, arguments.trials), check=True)


if __name__ == "__main__":
    main()
