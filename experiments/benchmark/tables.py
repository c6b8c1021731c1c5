"""The tables and the plot of `run.py`: SI-SDR by system, and fusion rules against one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmark.systems import RULES, SAME_OF_TWO

#: A mixture under a system: names of speech and music, level in dB, metrics.
Row = dict[str, Any]
Scores = dict[str, list[Row]]


def interval(differences: np.ndarray, groups: list[str], draws: int = 5000) -> tuple[float, float]:
    """95 % confidence interval of a mean, by bootstrap over the pieces of music: mixtures of one
    piece are no two opinions.
    """
    rng = np.random.default_rng(0)
    names = sorted(set(groups))
    sums = np.array(
        [[differences[[g == name for g in groups]].sum(), groups.count(name)] for name in names]
    )
    picks = rng.integers(0, len(names), (draws, len(names)))
    means = sums[picks, 0].sum(1) / sums[picks, 1].sum(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def table(scores: Scores) -> list[str]:
    """A row for each system."""
    base, groups = scores["mixture"], [str(row["music"]) for row in scores["mixture"]]
    snrs = np.array([row["snr_db"] for row in base])
    bands = [(low, low + 5) for low in range(-5, 15, 5)]
    head = [
        "system",
        "SI-SDR improvement, dB",
        "95 %",
        *(f"{low} to {high}" for low, high in bands),
        "SI-SIR",
        "SI-SAR",
        "STOI",
    ]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, rows in scores.items():
        gain = np.array(
            [row["SI-SDR"] - one["SI-SDR"] for row, one in zip(rows, base, strict=True)]
        )
        low, high = interval(gain, groups)
        cells = [name, f"{gain.mean():+.2f}", f"{low:+.2f} … {high:+.2f}"]
        for start, end in bands:
            inside = (snrs >= start) & ((snrs < end) | (end == 15))
            cells.append(f"{gain[inside].mean():+.2f}" if inside.any() else "")
        sar = "" if name == "mixture" else f"{np.mean([row['SI-SAR'] for row in rows]):.1f}"
        cells += [
            f"{np.mean([row['SI-SIR'] for row in rows]):.1f}",
            sar,
            f"{np.mean([row['STOI'] for row in rows]):.3f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def fusion(scores: Scores) -> list[str]:
    """Rules against max, pair by pair on the same mixtures."""
    groups = [str(row["music"]) for row in scores["mixture"]]
    head = (
        "whole pipeline: SI-SDR, dB (95 %)",
        "masks only: SI-SDR, dB (95 %)",
        "whole pipeline: STOI (95 %)",
    )
    lines = [f"| less max | {' | '.join(head)} |"]
    lines.append("|---|---|---|---|")

    def difference(one: str, other: str, metric: str, digits: int) -> str:
        pairs = zip(scores[one], scores[other], strict=True)
        values = np.array([row[metric] - against[metric] for row, against in pairs])
        low, high = interval(values, groups)
        return f"{values.mean():+.{digits}f} ({low:+.{digits}f} … {high:+.{digits}f})"

    singles = [name for name in scores if name.startswith("pipeline, ") and name.endswith(" alone")]
    rules = [rule for rule in RULES if rule != "max" and f"pipeline, {rule}" in scores]
    for rule in rules:
        whole, masks = (
            (f"pipeline, {rule}", "pipeline, max"),
            (f"{rule} of masks only", "max of masks only"),
        )
        cells = [
            rule,
            difference(*whole, "SI-SDR", 2),
            difference(*masks, "SI-SDR", 2),
            difference(*whole, "STOI", 4),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for single in singles:
        pair = (single, "pipeline, max")
        name = single.removeprefix("pipeline, ")
        lines.append(
            f"| {name} | {difference(*pair, 'SI-SDR', 2)} | | {difference(*pair, 'STOI', 4)} |"
        )
    wholes = [name for name in scores if name.startswith("pipeline, ")]
    best = max(wholes, key=lambda name: np.mean([row["SI-SDR"] for row in scores[name]]))
    same = " (of two separators the median is the mean)" if SAME_OF_TWO else ""
    alone = [
        f"{single.removeprefix('pipeline, ')}: {difference(best, single, 'SI-SDR', 2)} dB"
        for single in singles
    ]
    tools = [
        f"{tool}: {difference(best, tool, 'SI-SDR', 2)} dB" for tool in ("spectral gating", "HPSS")
    ]
    return [
        *lines,
        "",
        f"Best by mean SI-SDR: **{best.removeprefix('pipeline, ')}**{same}.",
        f"It is ahead of one separator alone ({'; '.join(alone)}) and of simpler tools "
        f"({'; '.join(tools)}).",
    ]


def plot(scores: Scores, path: Path) -> None:
    """SI-SDR improvement of every system, as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    base, groups = scores["mixture"], [str(row["music"]) for row in scores["mixture"]]
    names = [name for name in scores if name != "mixture"][::-1]
    gains = [
        np.array([r["SI-SDR"] - b["SI-SDR"] for r, b in zip(scores[name], base, strict=True)])
        for name in names
    ]
    figure = Figure(figsize=(9, 0.34 * len(names) + 1), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    rng = np.random.default_rng(0)
    for place, gain in enumerate(gains):
        low, high = interval(gain, groups)
        axes.plot(
            gain,
            place + rng.uniform(-0.18, 0.18, len(gain)),
            ".",
            color="0.72",
            markersize=3,
            zorder=1,
        )
        axes.plot([low, high], [place, place], color="C0", linewidth=3, zorder=2)
        axes.plot(gain.mean(), place, "o", color="C0", markersize=5, zorder=3)
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("SI-SDR improvement, dB: mean with 95 % interval, and each mixture")
    axes.set_xlim(max(-15, min(g.min() for g in gains)), min(30, max(g.max() for g in gains)))
    figure.savefig(path, dpi=110)
