"""Histograms of a run's metrics: before, after and what changed, a row of panels for each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from speechclean.records.file_result import FileResult
from speechclean.system.atomic_files import written_whole

from .colours import COLOURS
from .summary import Metric

BINS = 40


def write_histograms(
    results: Sequence[FileResult], metrics: Mapping[str, Metric], path: Path
) -> Path | None:
    """A png; None where no metric has a value both before and after."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = {name: pairs for name in metrics if (pairs := finite_pairs(results, name))}
    if not found:
        return None
    figure = Figure(figsize=(9, 2.2 * len(found)), layout="constrained")
    axes = figure.subplots(len(found), 2, squeeze=False)
    for (name, pairs), (both, change) in zip(found.items(), axes, strict=True):
        values = np.array(pairs)
        edges = np.histogram_bin_edges(values, BINS)
        for column, label in enumerate(("mixture", "cleaned")):
            filled = {"histtype": "stepfilled", "alpha": 0.5, "color": COLOURS[label]}
            both.hist(values[:, column], edges, label=label, **filled)
        both.legend(fontsize=8)
        change.hist(values[:, 1] - values[:, 0], BINS, color="0.4")
        change.axvline(0, color="0.7", linewidth=1)
        unit = f" [{metrics[name].unit}]" if metrics[name].unit else ""
        both.set_xlabel(f"{name}{unit}", fontsize=8)
        change.set_xlabel(f"change of {name}{unit}", fontsize=8)
        both.set_ylabel("files", fontsize=8)
    FigureCanvasAgg(figure)
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=90)
    return path


def percentiles(results: Sequence[FileResult], metrics: Mapping[str, Metric]) -> dict[str, float]:
    """The 5th, 50th and 95th percentile of each metric after cleaning and of its change.

    Named `<metric>_cleaned.p05`, `<metric>_change.p95` and so on.
    """
    found: dict[str, float] = {}
    for name in metrics:
        if pairs := finite_pairs(results, name):
            values = np.array(pairs)
            for what, column in (
                ("cleaned", values[:, 1]),
                ("change", values[:, 1] - values[:, 0]),
            ):
                levels = np.percentile(column, (5, 50, 95))
                found |= {
                    f"{name}_{what}.p{level:02d}": float(v)
                    for level, v in zip((5, 50, 95), levels, strict=True)
                }
    return found


def finite_pairs(results: Sequence[FileResult], name: str) -> list[tuple[float, float]]:
    """A metric's values before and after, of the files where both are finite."""
    pairs = (result.pair(name) for result in results)
    return [pair for pair in pairs if pair and all(map(math.isfinite, pair))]
