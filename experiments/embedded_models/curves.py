"""Draw learning curves.

SI-SDR improvement on held-out voices and tracks, against minutes and hours heard.

    python -m experiments.embedded_models.curves results/curve_*.csv --out results/curves.png
"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def read(path: Path) -> dict[str, list[float]]:
    """Columns of one curve."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: [float(row[key]) for row in rows] for key in rows[0]}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("curves", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for path in args.curves:
        curve = read(path)
        if "mask_db" not in curve:
            continue  # the denoiser's score is another
        for axis, key in zip(axes, ("minutes", "hours_heard"), strict=True):
            axis.plot(
                curve[key], curve["mask_db"], marker=".", label=path.stem.removeprefix("curve_")
            )
    axes[0].set(
        xlabel="minutes of wall clock on a shared core",
        ylabel="SI-SDR improvement by ratio mask, dB",
    )
    axes[1].set(xlabel="hours of audio heard")
    axes[1].legend()
    for axis in axes:
        axis.grid(alpha=0.3)
    figure.savefig(args.out, dpi=110)


if __name__ == "__main__":
    main()
