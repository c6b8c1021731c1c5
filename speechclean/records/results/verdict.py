"""Was a file improved, left as it was, or harmed? A verdict from its metrics, with the reasons."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from speechclean.records.file_result import AFTER, BEFORE, FileResult

from .summary import Metric, amount, improvement, plain

#: The words that a verdict begins with, in the order of a summary.
IMPROVED, UNCHANGED, HARMED, NOT_JUDGED, PASSED = (
    "improved",
    "unchanged",
    "harmed",
    "not judged",
    "passed through",
)
WORDS = (IMPROVED, UNCHANGED, HARMED, NOT_JUDGED, PASSED)

#: Of files that were harmed, those that lost most of these come first.
WORDS_LOST = "words_lost"


@dataclass(frozen=True)
class Thresholds:
    """Changes that count, by metric and in its unit; metrics that a run does not measure do not.

    harm: a change for the worse by more than this is harm; for a level, which is neither good nor
        bad, a change either way. Reasons are given in this order
    gain: a change for the better by this much is an improvement
    ceiling: a value better than this counts as this, since beyond it a difference says nothing: a
        clean file that is its own reference falls from infinity to 45 dB and sounds the same
    limit: a value that is more than this after cleaning, and more than it was in the mixture (if it
        could be measured there), is harm
    alarms: metrics whose silence says nothing of the voice: if no other was measured, and none of
        them tells harm, the file is not judged
    only_where: a metric counts only in files whose mixture is at least this good by one of these
        others: what a recogniser heard in the mixture, say, where speech was louder than music
    """

    harm: dict[str, float] = field(default_factory=dict)
    gain: dict[str, float] = field(default_factory=dict)
    ceiling: dict[str, float] = field(default_factory=dict)
    limit: dict[str, float] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    only_where: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for side in ("harm", "gain"):
            for name, least in getattr(self, side).items():
                if not 0 <= least < math.inf:
                    raise ValueError(
                        f"{side}.{name}={least} must be 0 or more, in the metric's unit"
                    )
        others = {f"only_where.{name}": values for name, values in self.only_where.items()}
        for side, values in {"ceiling": self.ceiling, "limit": self.limit, **others}.items():
            for name, value in values.items():
                if not math.isfinite(value):
                    raise ValueError(f"{side}.{name}={value} must be a number, in its unit")

    def named(self) -> Iterator[tuple[str, str]]:
        """Every metric that is named, with the key that names it: `harm.wer`, `wer`."""
        for side in ("harm", "gain", "ceiling", "limit", "only_where"):
            yield from ((f"{side}.{name}", name) for name in getattr(self, side))
        yield from (("alarms", name) for name in self.alarms)
        for name, others in self.only_where.items():
            yield from ((f"only_where.{name}.{other}", other) for other in others)

    @property
    def asked(self) -> list[str]:
        """The metrics that a verdict comes of, in the order in which reasons are given."""
        return list(dict.fromkeys([*self.harm, *self.limit, *self.gain]))

    @property
    def accusers(self) -> list[str]:
        """Those of them that can say that a file was harmed."""
        return list(dict.fromkeys([*self.harm, *self.limit]))

    def without(self, metric: str) -> Self:
        """The same without any say of one metric."""

        def less(side: Mapping[str, float]) -> dict[str, float]:
            return {name: value for name, value in side.items() if name != metric}

        return replace(self, harm=less(self.harm), gain=less(self.gain), limit=less(self.limit))

    def judge(self, measures: Mapping[str, float | None], metrics: Mapping[str, Metric]) -> str:
        """The verdict: `improved`, `unchanged`, `harmed: words lost +2, STOI −0.07`, `not judged`.

        measures: `<metric>_mixture` and `<metric>_cleaned` by name; a file of which no metric but
            alarms could be measured is not judged, unless one of them tells harm

        Harm outweighs gain. A metric that could be measured in the mixture and cannot any more (of
        a voice that was muted) is harm, alarms aside.
        """
        reasons, judged, better = [], False, False
        for name in self.asked:
            if name not in metrics or not self._counts(name, measures, metrics):
                continue
            before, after = measures.get(f"{name}{BEFORE}"), measures.get(f"{name}{AFTER}")
            if why := self._why_harmed(name, before, after, metrics[name]):
                reasons.append(why)
            if before is None:
                continue
            judged = judged or name not in self.alarms
            better = better or self._gained(name, before, after, metrics[name])
        if reasons:
            return f"{HARMED}: {', '.join(reasons)}"
        return NOT_JUDGED if not judged else IMPROVED if better else UNCHANGED

    def _counts(
        self, name: str, measures: Mapping[str, float | None], metrics: Mapping[str, Metric]
    ) -> bool:
        """Whether a metric means something in this file."""
        wanted = self.only_where.get(name)
        return not wanted or any(
            (value := measures.get(f"{other}{BEFORE}")) is not None
            and other in metrics
            and (improvement(least, value, metrics[other]) or 0.0) >= 0
            for other, least in wanted.items()
        )

    def _why_harmed(
        self, name: str, before: float | None, after: float | None, metric: Metric
    ) -> str | None:
        """The reason, if this metric says that the file was harmed."""
        beyond = after is not None and name in self.limit and after > self.limit[name]
        if after is not None and beyond and (before is None or after > before):
            return f"{plain(name)} {amount(name, after, metric.unit)}"
        if before is None or name not in self.harm:
            return None
        if after is None:
            return None if name in self.alarms else f"{plain(name)} gone"
        before, after = self._capped(name, before, metric), self._capped(name, after, metric)
        gained = improvement(before, after, metric)
        lost = abs(after - before) if gained is None else -gained
        # Rounded far below any threshold: 0.90 - 0.85 is a little more than 0.05 in floating point.
        if round(lost, 9) <= self.harm[name]:
            return None
        return f"{plain(name)} {amount(name, after - before, metric.unit, signed=True)}"

    def _gained(self, name: str, before: float, after: float | None, metric: Metric) -> bool:
        """Whether this metric says that the file was improved."""
        if after is None or name not in self.gain:
            return False
        before, after = self._capped(name, before, metric), self._capped(name, after, metric)
        gained = improvement(before, after, metric)
        return gained is not None and round(gained, 9) >= self.gain[name]

    def _capped(self, name: str, value: float, metric: Metric) -> float:
        """A value, no better than its ceiling."""
        if name not in self.ceiling or metric.higher_is_better is None:
            return value
        return (min if metric.higher_is_better else max)(value, self.ceiling[name])


def word(verdict: str) -> str:
    """A verdict without its reasons.

    >>> word("harmed: WER +0.12")
    'harmed'
    """
    return verdict.partition(":")[0]


def counts(results: Iterable[FileResult]) -> dict[str, int]:
    """How many files got which verdict; files and verdicts without any are left out."""
    found = [word(result.verdict) for result in results if result.verdict]
    return {name: found.count(name) for name in WORDS if name in found}


def judged_by(asked: Sequence[str], results: Iterable[FileResult]) -> str:
    """Which metrics had a say in a run's verdicts, and which had none; which fusions were kept.

    asked: those that have thresholds
    """
    results = list(results)
    able = [name for name in asked if any(result.pair(name) for result in results)]
    if not asked or not able:
        return f"Nothing that verdicts come of was measured: {', '.join(asked)}." if asked else ""
    deaf = [name for name in asked if name not in able]
    rest = f"; without a say, since not measured: {', '.join(deaf)}" if deaf else ""
    return f"Judged by {', '.join(able)}{rest}.{_selected(results)}"


def _selected(results: Iterable[FileResult]) -> str:
    """How many files kept which fusion; empty without a selection."""
    names = [result.selected.partition(":")[0] for result in results if result.selected]
    counted = ", ".join(f"{name} {count}" for name, count in Counter(names).most_common())
    return f" Fusions kept: {counted}." if names else ""


def count_metrics(results: Iterable[FileResult]) -> dict[str, float]:
    """`counts` as metrics of a run: `files_improved` and so on."""
    counted = counts(results).items()
    return {f"files_{name.replace(' ', '_')}": float(number) for name, number in counted}


def harmed(results: Iterable[FileResult]) -> list[tuple[FileResult, str]]:
    """The files that were harmed, with their verdicts.

    Those that lost most words come first, then those with most reasons.
    """

    def worst_first(pair: tuple[FileResult, str]) -> tuple[float, int]:
        before, after = pair[0].pair(WORDS_LOST) or (0.0, 0.0)
        return min(0.0, before - after), -pair[1].count(",")

    found = [(one, one.verdict) for one in results if one.verdict and is_harm(one.verdict)]
    return sorted(found, key=worst_first)


def is_harm(verdict: str) -> bool:
    """Whether a verdict says so."""
    return word(verdict) == HARMED
