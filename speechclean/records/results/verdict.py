"""Was a file improved, left as it was, or harmed? A verdict from its metrics, with the reasons."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from speechclean.records.file_result import AFTER, BEFORE, FileResult

from .summary import Metric, improvement

#: The words that a verdict begins with, in the order of a summary.
IMPROVED, UNCHANGED, HARMED, NOT_JUDGED, PASSED = (
    "improved",
    "unchanged",
    "harmed",
    "not judged",
    "passed through",
)
WORDS = (IMPROVED, UNCHANGED, HARMED, NOT_JUDGED, PASSED)


@dataclass(frozen=True)
class Thresholds:
    """Changes that count, by metric and in its unit; metrics that a run does not measure do not.

    harm: a change for the worse by more than this is harm; for a level, which is neither good nor
        bad, a change either way
    gain: a change for the better by this much is an improvement
    """

    harm: dict[str, float] = field(default_factory=dict)
    gain: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for side in ("harm", "gain"):
            for name, least in getattr(self, side).items():
                if not 0 <= least < math.inf:
                    raise ValueError(
                        f"{side}.{name}={least} must be 0 or more, in the metric's unit"
                    )

    def judge(self, measures: Mapping[str, float | None], metrics: Mapping[str, Metric]) -> str:
        """The verdict: `improved`, `unchanged`, `harmed: ESTOI -0.07, WER +0.12` or `not judged`.

        measures: `<metric>_mixture` and `<metric>_cleaned` by name; if no metric that has a
            threshold was measured, the file is not judged

        Harm outweighs gain. A metric that could be measured in the mixture and cannot any more (of
        a voice that was muted) is harm.
        """
        reasons, judged, better = [], False, False
        for name in metrics.keys() & (self.harm.keys() | self.gain.keys()):
            before, after = measures.get(f"{name}{BEFORE}"), measures.get(f"{name}{AFTER}")
            if before is None:
                continue
            judged = True
            if after is None:
                reasons += [f"{_shown(name)} gone"] if name in self.harm else []
                continue
            gained = improvement(before, after, metrics[name])
            lost = abs(after - before) if gained is None else -gained
            # Rounded far below any threshold: 0.90 - 0.85 is a little more than 0.05 in floating
            # point.
            if name in self.harm and round(lost, 9) > self.harm[name]:
                reasons.append(f"{_shown(name)} {_signed(after - before)}")
            if name in self.gain and gained is not None and round(gained, 9) >= self.gain[name]:
                better = True
        if reasons:
            return f"{HARMED}: {', '.join(sorted(reasons))}"
        return NOT_JUDGED if not judged else IMPROVED if better else UNCHANGED


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


def count_metrics(results: Iterable[FileResult]) -> dict[str, float]:
    """`counts` as metrics of a run: `files_improved` and so on."""
    counted = counts(results).items()
    return {f"files_{name.replace(' ', '_')}": float(number) for name, number in counted}


def harmed(results: Iterable[FileResult]) -> list[tuple[FileResult, str]]:
    """The files that were harmed, with their verdicts, those with most reasons first."""
    found = [(one, one.verdict) for one in results if one.verdict and is_harm(one.verdict)]
    return sorted(found, key=lambda pair: -pair[1].count(","))


def is_harm(verdict: str) -> bool:
    """Whether a verdict says so."""
    return word(verdict) == HARMED


def _shown(name: str) -> str:
    return name.upper().replace("_", "-")


def _signed(change: float) -> str:
    """Two digits that matter, with a sign that is one character wide.

    >>> _signed(-0.0512), _signed(1.5), _signed(-3200.0)
    ('−0.05', '+1.50', '−3200.00')
    """
    digits = 2 if abs(change) >= 0.01 else 4
    return f"{'−' if change < 0 else '+'}{abs(change):.{digits}f}"
