r"""What every system of `words.yaml` costs: seconds of one core for a second of sound.

    python -m experiments.benchmark.cost [--only NAME ...]

Processor time, as `experiments.embedded_models.speed` counts it, on a minute of the pilot. Into
`results/cost.csv`, from which `words_table.py` takes it.
"""

from __future__ import annotations

import argparse
import csv

from rich.progress import track

from experiments.benchmark.words import systems
from experiments.benchmark.words_table import RESULTS, read_costs
from experiments.embedded_models.speed import core_seconds


def main() -> None:
    """Time systems; those that are not named keep what was measured before."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", help="names of systems; all without it")
    named = systems()
    chosen = parser.parse_args().only or list(named)
    costs = read_costs()
    for name in track(chosen, "systems"):
        costs[name] = core_seconds(["enhancement=identity", *named[name]])["all"]
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "cost.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("system", "core_s_per_s"))
        writer.writerows((name, f"{costs[name]:.4f}") for name in named if name in costs)


if __name__ == "__main__":
    main()
