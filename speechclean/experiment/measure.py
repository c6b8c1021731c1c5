"""A separation measured, judged and, where it harms, replaced by what the guard chooses."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from speechclean.records.file_result import AFTER, BEFORE
from speechclean.records.results import verdict
from speechclean.stages.types import Separation, Track

from .clean import Outcome

log = logging.getLogger(__name__)
Measures = Mapping[str, float | None]


class Criteria(Protocol):
    """What a config says of measuring and judging."""

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Metrics by name."""

    @property
    def verdict(self) -> Any:
        """Thresholds that judge measures."""

    @property
    def guard(self) -> Any:
        """What becomes of a file that was harmed."""


@dataclass(frozen=True)
class Assessment:
    """What a file's metrics came to; the fields are those of `FileResult`."""

    measures: Measures
    verdict: str
    wet: float | None = None


def assess(
    outcome: Outcome, separation: Separation, criteria: Criteria
) -> tuple[Separation, Assessment]:
    """What is kept of an outcome's separation, after its guard, and the assessment of it."""
    track, metrics = outcome.track, criteria.metrics
    first = measure(metrics, separation, track)
    if outcome.untouched:
        return separation, Assessment(first, verdict.PASSED, 0.0)
    if track.cleaned_path is not None:
        return separation, Assessment(first, criteria.verdict.judge(first, metrics))
    before = {name: value for name, value in first.items() if name.endswith(BEFORE)}
    last = (separation, first)

    def harms(candidate: Separation) -> bool:
        nonlocal last
        if candidate is not last[0]:
            last = (candidate, measure(metrics, candidate, track, before))
        return verdict.is_harm(criteria.verdict.judge(last[1], metrics))

    kept, wet = criteria.guard(separation, harms)
    measures = last[1] if kept is last[0] else measure(metrics, kept, track, before)
    word = criteria.verdict.judge(measures, metrics) if wet else verdict.PASSED
    if wet < 1:
        log.warning(
            "%s: %s; %.0f %% of it is mixture now",
            track.alias,
            criteria.verdict.judge(first, metrics),
            100 * (1 - wet),
        )
    return kept, Assessment(measures, word, wet)


def assess_streamed(outcome: Outcome, criteria: Criteria) -> Assessment:
    """The assessment of a long outcome.

    Metrics that need the whole sound in memory are left out; loudness and peak were measured while
    it was streamed.
    """
    assert outcome.long is not None
    measures: dict[str, float | None] = {
        f"{name}{state}": None for name in criteria.metrics for state in (BEFORE, AFTER)
    }
    measures |= {name: level for name, level in outcome.long.levels.items() if name in measures}
    return Assessment(measures, verdict.PASSED if outcome.untouched else verdict.NOT_JUDGED)


def measure(
    metrics: Mapping[str, Any],
    separation: Separation,
    track: Track,
    known: Measures | None = None,
) -> dict[str, float | None]:
    """`<metric>_mixture` and `<metric>_cleaned` for every metric.

    None where a metric does not apply, or fails, with a warning. What is `known` is not measured
    again.
    """
    values: dict[str, float | None] = dict(known or {})
    for name, metric in metrics.items():
        for state, suffix in ((separation.before(), BEFORE), (separation, AFTER)):
            column = f"{name}{suffix}"
            if column in values:
                continue
            try:
                values[column] = metric(state, track)
            except Exception as error:  # noqa: BLE001 (a metric's failure must not cost the file)
                what = suffix.removeprefix("_")
                log.warning(
                    "%s: %s of the %s could not be measured (%s)", track.alias, name, what, error
                )
                values[column] = None
    return values
