"""Means over a run's files, and which files stand out. Pure functions of results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from speechclean.records.file_result import FileResult

#: Metrics that count words: whole numbers, of which a run has a sum.
COUNTS = ("words", "words_lost", "words_invented")
#: What a metric may need of a file, its `needs`, and what is said where no file has it.
NEEDS = {"reference": "no references", "transcript": "no transcripts"}


class Metric(Protocol):
    """What a report needs to know of a metric."""

    @property
    def unit(self) -> str:
        """The unit; empty for a pure number."""

    @property
    def higher_is_better(self) -> bool | None:
        """None for a metric that is neither good nor bad."""


@dataclass(frozen=True)
class Line:
    """One metric's means, in its unit.

    files: how many files the means are over, those where it could be measured before and after
    """

    name: str
    metric: Metric
    mixture: float
    cleaned: float
    files: int

    @property
    def better(self) -> str:
        """An arrow for the direction that is better."""
        return {True: "↑", False: "↓", None: ""}[self.metric.higher_is_better]


def means_of(results: Iterable[FileResult], metrics: Mapping[str, Metric]) -> dict[str, float]:
    """Means over the files that have both values, and the numbers of files.

    `<metric>_mixture`, `<metric>_cleaned` and their difference: `<metric>_improvement`, positive
    for the better whichever way the metric goes, or `<metric>_change` for a metric that is neither
    good nor bad. Then `files_cleaned` and `files_failed`.
    """
    results = list(results)
    values: dict[str, float] = {}
    for name, metric in metrics.items():
        pairs = [pair for result in results if (pair := result.pair(name))]
        if pairs:
            mixture, cleaned = (
                math.fsum(column) / len(pairs) for column in zip(*pairs, strict=True)
            )
            values |= {f"{name}_mixture": mixture, f"{name}_cleaned": cleaned}
            gain = improvement(mixture, cleaned, metric)
            values[f"{name}_change" if gain is None else f"{name}_improvement"] = (
                cleaned - mixture if gain is None else gain
            )
    failed = len(failures(results))
    return {**values, "files_cleaned": float(len(results) - failed), "files_failed": float(failed)}


def lines(
    results: Iterable[FileResult], means: Mapping[str, float], metrics: Mapping[str, Metric]
) -> list[Line]:
    """A line of a table for each metric that has means, in the config's order."""
    results = list(results)
    found = []
    for name, metric in metrics.items():
        if f"{name}_mixture" in means:
            files = sum(result.pair(name) is not None for result in results)
            found.append(
                Line(name, metric, means[f"{name}_mixture"], means[f"{name}_cleaned"], files)
            )
    return found


def failures(results: Iterable[FileResult]) -> list[FileResult]:
    """The results of the files that could not be cleaned."""
    return [result for result in results if result.failed]


def worst(
    results: Iterable[FileResult], metrics: Mapping[str, Metric], number: int = 5
) -> tuple[str, list[tuple[FileResult, float]]]:
    """The metric that files are ranked by, and the files that gained least by it, with their gain.

    Empty if no metric can rank files.
    """
    name, order = ranked(results, metrics)
    return name, order[:number] if name else []


def ranked(
    results: Iterable[FileResult], metrics: Mapping[str, Metric]
) -> tuple[str, list[tuple[FileResult, float]]]:
    """The metric that files are ranked by, and the files it applies to, the least gain first.

    It is the first metric of the config that has a value and a direction that is better. Without
    one, the name is empty and all files come in their own order.
    """
    results = list(results)
    for name, metric in metrics.items():
        gains = [
            (result, gain)
            for result in results
            if (pair := result.pair(name)) and (gain := improvement(*pair, metric)) is not None
        ]
        if gains:
            return name, sorted(gains, key=lambda entry: entry[1])
    return "", [(result, 0.0) for result in results]


def improvement(mixture: float, cleaned: float, metric: Metric) -> float | None:
    """The change, positive for the better; None for a metric that is neither good nor bad."""
    if metric.higher_is_better is None:
        return None
    return cleaned - mixture if metric.higher_is_better else mixture - cleaned


#: What metrics are called in sentences, where that is not their name.
_PLAIN = {
    "words_lost": "words lost",
    "words_invented": "words invented",
    "wer_vs_mixture": "words other than in the mixture",
    "wer_deletions": "share of words missing",
    "music_residual_db": "music in the pauses",
    "music_to_speech_db": "music by the mask",
    "level_change_db": "level",
    "edge_burst_db": "burst at an end",
    "speaker_similarity": "speaker similarity",
    "distillmos": "DistillMOS",
}


def plain(name: str) -> str:
    """A metric's name as sentences have it.

    >>> plain("words_lost"), plain("si_sdr")
    ('words lost', 'SI-SDR')
    """
    return _PLAIN.get(name) or name.upper().replace("_", "-")


def amount(name: str, value: float, unit: str, signed: bool = False) -> str:
    """A metric's value, or a change of it, with its unit (unless that is the metric's name).

    Words are whole; numbers have two digits after the point, four where two would be nothing.

    >>> amount("words_lost", 3, "words"), amount("si_sdr", -1.5, "dB", signed=True)
    ('3', '−1.50 dB')
    """
    digits = 0 if name in COUNTS else 2 if abs(value) >= 0.01 or not value else 4
    number = f"{abs(value):.{digits}f}"
    sign = "−" if value < 0 and float(number) else "+" if signed and value else ""
    known = unit in ("dB", "LUFS", "dBTP") and unit.lower() != name
    return f"{sign}{number} {unit}" if known else f"{sign}{number}"
