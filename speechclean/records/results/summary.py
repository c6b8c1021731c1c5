"""Scores of a run: means over the files, and which files stand out. Pure functions on rows.

A row describes one input: `alias, path, status ("cleaned" | "failed"), reason, seconds,
sample_rate, channels`, then `<metric>_mixture` and `<metric>_cleaned` for each metric, and
`<stage>_s` for each stage; what has no value is None or not there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Row = Mapping[str, Any]


class Metric(Protocol):
    """What a report needs to know of a metric."""

    @property
    def unit(self) -> str: ...

    @property
    def higher_is_better(self) -> bool | None: ...


@dataclass(frozen=True)
class Line:
    """One metric's means, in its unit, over the `files` where it could be measured both before and
    after.
    """

    name: str
    metric: Metric
    mixture: float
    cleaned: float
    files: int

    @property
    def better(self) -> str:
        """Which way is better."""
        return {True: "↑", False: "↓", None: ""}[self.metric.higher_is_better]


def means(rows: Iterable[Row], metrics: Mapping[str, Metric]) -> dict[str, float]:
    """Means over the files that have both values: `<metric>_mixture`, `<metric>_cleaned` and their
    difference. That is `<metric>_improvement`, positive for the better whichever way the metric
    goes, or `<metric>_change` for a metric that is neither good nor bad. Then `files_cleaned` and
    `files_failed`.
    """
    rows = list(rows)
    values: dict[str, float] = {}
    for name, metric in metrics.items():
        pairs = [pair for row in rows if (pair := pair_of(row, name))]
        if pairs:
            mixture, cleaned = (
                math.fsum(column) / len(pairs) for column in zip(*pairs, strict=True)
            )
            values |= {f"{name}_mixture": mixture, f"{name}_cleaned": cleaned}
            gain = improvement(mixture, cleaned, metric)
            values[f"{name}_change" if gain is None else f"{name}_improvement"] = (
                cleaned - mixture if gain is None else gain
            )
    failed = len(failures(rows))
    return {**values, "files_cleaned": float(len(rows) - failed), "files_failed": float(failed)}


def lines(
    rows: Iterable[Row], means: Mapping[str, float], metrics: Mapping[str, Metric]
) -> list[Line]:
    """What a table of the means says, a line for each metric that has one, in the config's
    order.
    """
    rows = list(rows)
    found = []
    for name, metric in metrics.items():
        if f"{name}_mixture" in means:
            files = sum(pair_of(row, name) is not None for row in rows)
            found.append(
                Line(name, metric, means[f"{name}_mixture"], means[f"{name}_cleaned"], files)
            )
    return found


def failures(rows: Iterable[Row]) -> list[Row]:
    """The rows of the files that could not be cleaned."""
    return [row for row in rows if row["status"] == "failed"]


def worst(
    rows: Iterable[Row], metrics: Mapping[str, Metric], number: int = 5
) -> tuple[str, list[tuple[Row, float]]]:
    """The files that gained least, with their gain, by the first metric of the config that has a
    better and a value.
    """
    name, order = ranked(rows, metrics)
    return name, order[:number] if name else []


def ranked(
    rows: Iterable[Row], metrics: Mapping[str, Metric]
) -> tuple[str, list[tuple[Row, float]]]:
    """The metric that files are ranked by, the first of the config that has a better and a value,
    and the files that it applies to with their gain, least first. Without such a metric its name is
    empty and all files come as they are.
    """
    rows = list(rows)
    for name, metric in metrics.items():
        pairs = [(row, pair) for row in rows if (pair := pair_of(row, name))]
        gains = [
            (row, gain) for row, pair in pairs if (gain := improvement(*pair, metric)) is not None
        ]
        if gains:
            return name, sorted(gains, key=lambda entry: entry[1])
    return "", [(row, 0.0) for row in rows]


def pair_of(row: Row, name: str) -> tuple[float, float] | None:
    """A row's values of one metric before and after, if it has both."""
    mixture, cleaned = row.get(f"{name}_mixture"), row.get(f"{name}_cleaned")
    return None if mixture is None or cleaned is None else (float(mixture), float(cleaned))


def improvement(mixture: float, cleaned: float, metric: Metric) -> float | None:
    """The change, positive for the better; None where there is no better."""
    if metric.higher_is_better is None:
        return None
    return cleaned - mixture if metric.higher_is_better else mixture - cleaned
