"""The best of a study's trials: one, or the Pareto front where there are several objectives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .current import IS_CURRENT
from .objective import Goals

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def best_trial(trials: Sequence[FrozenTrial], goals: Goals) -> FrozenTrial | None:
    """The best trial that keeps to the constraints; None where there are several objectives."""
    if len(goals.objectives) > 1:
        return None
    return next(iter(_ranked(trials, goals)), None)


def leaders(trials: Sequence[FrozenTrial], goals: Goals, count: int) -> list[FrozenTrial]:
    """The best trials that keep to the constraints, the best first, or the first of the front.

    The config as it stands is not among them.
    """
    others = [trial for trial in trials if not trial.user_attrs.get(IS_CURRENT)]
    if len(goals.objectives) > 1:
        return pareto_front(others, goals)[:count]
    return _ranked(others, goals)[:count]


def pareto_front(trials: Sequence[FrozenTrial], goals: Goals) -> list[FrozenTrial]:
    """The trials that keep to the constraints and that no other such trial dominates."""
    feasible = _feasible(trials)
    points = [
        [sign * value for sign, value in zip(_signs(goals), trial.values, strict=True)]
        for trial in feasible
    ]
    return [feasible[index] for index in undominated(points)]


def undominated(points: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the points that no other dominates, larger coordinates being better.

    Another point dominates that is at least as good in every coordinate and not the same.
    """

    def dominated(mine: Sequence[float]) -> bool:
        return any(
            other != mine and all(a >= b for a, b in zip(other, mine, strict=True))
            for other in points
        )

    return [index for index, mine in enumerate(points) if not dominated(mine)]


def _ranked(trials: Sequence[FrozenTrial], goals: Goals) -> list[FrozenTrial]:
    """The trials that keep to the constraints, the best first, of alike ones the earliest."""
    sign = _signs(goals)[0]
    return sorted(_feasible(trials), key=lambda trial: sign * trial.values[0], reverse=True)


def _signs(goals: Goals) -> list[int]:
    return [1 if one.direction == "maximize" else -1 for one in goals.objectives]


def _feasible(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [
        trial
        for trial in trials
        if trial.state.name == "COMPLETE"
        and all(violation <= 0 for violation in trial.constraints.values())
    ]
