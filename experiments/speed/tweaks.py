"""What each tweak of `speechclean.stages.separators.tuned` is worth.

All of them against all but one, in one run.

    python -m experiments.speed.tweaks WEIGHTS [--models htdemucs_ft mdx_extra_q] [--seconds S]
        [--repeats N]

One network of each bag (the one that answers for the vocals) on as many segments at once as there
are cores, as the engine does it; the variants take turns within a process, and the best of the
repeats counts. The allocator holds for a whole process, so with and without it are processes of
their own. Writes `tweaks.json` and `tweaks.md` into results/.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from experiments.speed.compare import RESULTS
from speechclean.networks import checkpoints
from speechclean.networks.weights import demucs_bag
from speechclean.stages.separators import tuned
from speechclean.stages.separators.precision import snr_db
from speechclean.system import allocator as runtime
from speechclean.system import parallel

from . import machine

NAMES = tuple(tuned.TWEAKS)


@torch.inference_mode()
def measure(weights: Path, model: str, seconds: float, repeats: int) -> list[dict[str, Any]]:
    """Rows of variant, best seconds and agreement with the plain network's vocals."""
    runtime.keep_freed_memory()
    path = list(demucs_bag(model, str(weights)).files.values())[-1]
    variants: dict[str, frozenset[str]] = {"plain": frozenset(NAMES), "all": frozenset()}
    variants |= {f"all but {name}": frozenset([name]) for name in NAMES}
    networks: dict[str, Any] = {}
    for variant, without in variants.items():
        networks[variant] = checkpoints.build(checkpoints.read(path), path)
        tuned.tune(networks[variant], without=without)
    first = networks["plain"]
    generator = torch.Generator().manual_seed(0)
    heard = torch.randn(
        1, first.audio_channels, int(seconds * first.samplerate), generator=generator
    )
    side_by_side = [heard] * parallel.at_once()
    # the warm-up, too
    vocals = {variant: network(heard)[:, -1] for variant, network in networks.items()}
    times: dict[str, list[float]] = {variant: [] for variant in networks}
    for _ in range(repeats):
        for variant, network in networks.items():
            start = time.perf_counter()
            list(parallel.ordered(network, side_by_side))
            times[variant].append((time.perf_counter() - start) / len(side_by_side))
    return [
        {
            "model": model,
            "seconds": seconds,
            "variant": variant,
            "best_s": min(times[variant]),
            "times_s": times[variant],
            "agreement_db": snr_db(vocals["plain"], vocals[variant]),
        }
        for variant in networks
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """A tweak is worth the time without it over the time with all."""
    lines = [
        "| network | variant | seconds | is worth | agreement with plain |",
        "|---|---|---:|---:|---:|",
    ]
    for row in rows:
        whole = next(
            one["best_s"] for one in rows if (one["model"], one["variant"]) == (row["model"], "all")
        )
        agreement = f"{row['agreement_db']:.0f} dB" if row["variant"] != "plain" else ""
        worth = f"×{row['best_s'] / whole:.2f}" if row["variant"] != "all" else ""
        lines.append(
            f"| {row['model']} | {row['variant']} | {row['best_s']:.2f} | {worth} | {agreement} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("--models", nargs="+", default=["htdemucs_ft", "mdx_extra_q"])
    parser.add_argument(
        "--seconds", type=float, default=7.8, help="of the segment; mdx_extra_q's own is 44"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_process:
        print(
            json.dumps(
                measure(options.weights, options.models[0], options.seconds, options.repeats)
            )
        )
        return
    before, rows = machine.describe(), []
    for model in options.models:
        for allocator in ("keep", "system"):
            command = [
                sys.executable,
                "-m",
                "experiments.speed.tweaks",
                str(options.weights),
                "--one-process",
                "--models",
                model,
            ]
            command += ["--seconds", str(options.seconds), "--repeats", str(options.repeats)]
            env = os.environ | {runtime.ALLOCATOR_VARIABLE: allocator}
            done = subprocess.run(command, check=True, env=env, stdout=subprocess.PIPE, text=True)
            found = {row["variant"]: row for row in json.loads(done.stdout.splitlines()[-1])}
            if allocator == "keep":
                rows += list(found.values())
            else:
                rows += [
                    found[name] | {"variant": f"{name} but the allocator"}
                    for name in ("all", "plain")
                ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "tweaks.json").write_text(
        json.dumps({"machine": before, "rows": rows}, indent=1) + "\n"
    )
    (RESULTS / "tweaks.md").write_text(machine.line(before) + "\n\n" + table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
