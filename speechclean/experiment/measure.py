"""A separation selected, measured and judged; where it harms, the guard chooses another."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from speechclean.records.file_result import AFTER, BEFORE
from speechclean.records.results import verdict
from speechclean.stages.selection import OWN
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
    def selection(self) -> Any:
        """Which of several fusions a file keeps; None where there is one."""

    @property
    def guard(self) -> Any:
        """What becomes of a file that was harmed."""


@dataclass(frozen=True)
class Assessment:
    """What a file's metrics came to; the fields are those of `FileResult`."""

    measures: Measures
    verdict: str
    wet: float | None = None
    selected: str | None = None


def assess(
    outcome: Outcome, separation: Separation, criteria: Criteria
) -> tuple[Separation, Assessment]:
    """What selection and guard keep of an outcome's separation, and the assessment of it."""
    track, metrics = outcome.track, criteria.metrics
    separation, known, selected = _select(separation, criteria, track)
    first = measure(metrics, separation, track, known)
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
    return kept, Assessment(measures, word, wet, selected)


def _select(
    separation: Separation, criteria: Criteria, track: Track
) -> tuple[Separation, Measures, str | None]:
    """What the selection keeps, what was measured of it on the way, and its name with the reason.

    A file in which screening heard no music has nothing to select from.
    """
    if not separation.others:
        return separation, {}, None
    options = {OWN: separation, **separation.others}
    measured: dict[int, dict[str, float | None]] = {id(one): {} for one in options.values()}

    def value(name: str, option: Separation) -> float | None:
        if name not in criteria.metrics:
            return None
        found = _value(name, criteria.metrics[name], option, track, AFTER)
        measured[id(option)][f"{name}{AFTER}"] = found
        return found

    name, reason = criteria.selection(separation, value)
    kept = options[name]
    return replace(kept, others={}), measured[id(kept)], f"{name}: {reason}"


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
            if column not in values:
                values[column] = _value(name, metric, state, track, suffix)
    return values


def _value(
    name: str, metric: Any, separation: Separation, track: Track, suffix: str
) -> float | None:
    try:
        value: float | None = metric(separation, track)
    except Exception as error:  # noqa: BLE001 (a metric's failure must not cost the file)
        what = suffix.removeprefix("_")
        log.warning("%s: %s of the %s could not be measured (%s)", track.alias, name, what, error)
        return None
    return value
