"""The next point to try: one that no trial has yet, those of `sweep.first` before all others.

Optuna's samplers are asked on a copy of the study in memory until they propose such a point. The
seed of each question is made of the sweep's seed and the number of trials so far: a sweep that is
resumed proposes what it would have proposed without the stop, and does not repeat its random
numbers.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from .first_points import first_points
from .settings import Settings
from .space import Space, grid, rounded, same, size

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

#: Proposals by the sampler before points are drawn at random, and draws before the points of the
#: space are gone through in order.
ASKED, DRAWN = 20, 100


def next_point(
    settings: Settings, space: Space, directions: Sequence[Any], trials: Sequence[FrozenTrial]
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """A point that none of the trials has, and the sampler's own notes on it.

    None when there are no more points.
    """
    import optuna

    taken = {same(trial.params) for trial in trials if trial.params}
    if len(taken) >= size(space):
        return None
    if settings.sampler == "grid":
        return _first_free(space, taken)
    for point in first_points(settings.first, settings.space, space):
        if same(point) not in taken:
            return point, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            directions=list(directions), sampler=_sampler(settings, space, len(trials))
        )
        study.add_trials([trial for trial in trials if trial.params])
        for attempt in range(ASKED + DRAWN):
            if attempt == ASKED:
                study.sampler = optuna.samplers.RandomSampler(seed=settings.seed + len(trials))
            asked = study.ask()
            point = space.drawn(partial(_suggested, asked))
            if same(point) not in taken:
                return point, dict(study.trials[-1].system_attrs)
            study.tell(asked, state=optuna.trial.TrialState.FAIL)
    return _first_free(space, taken)


def _first_free(space: Space, taken: set[Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    return next(((point, {}) for point in grid(space) if same(point) not in taken), None)


def _suggested(asked: Any, key: str, one: BaseDistribution) -> Any:
    """What the sampler suggests for a key; Optuna's own way from a distribution is private."""
    if isinstance(one, CategoricalDistribution):
        return asked.suggest_categorical(key, one.choices)
    suggest = asked.suggest_int if isinstance(one, IntDistribution) else asked.suggest_float
    return rounded(suggest(key, one.low, one.high, step=one.step, log=one.log))  # type: ignore[attr-defined]


def _sampler(settings: Settings, space: Space, trials: int) -> Any:
    import optuna

    seed = settings.seed * 1_000_003 + trials
    if settings.sampler == "random" or trials < settings.startup_trials:
        return optuna.samplers.RandomSampler(seed=seed)
    if settings.sampler == "nsgaii":
        # A generation as large as what is drawn at random: the first one is that.
        return optuna.samplers.NSGAIISampler(
            seed=seed, population_size=max(settings.startup_trials, 2)
        )
    if settings.sampler == "gp":
        return optuna.samplers.GPSampler(
            seed=seed,
            n_startup_trials=settings.startup_trials,
            deterministic_objective=True,  # the same config gives the same samples
            warn_independent_sampling=False,  # keys with a condition are drawn by themselves
        )
    return optuna.samplers.TPESampler(
        seed=seed,
        n_startup_trials=settings.startup_trials,
        multivariate=True,
        group=bool(space.conditions),  # keys that are searched together are drawn together
    )
