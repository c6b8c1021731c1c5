"""The study in its storage: opened by as many workers as like to, each trial claimed by one.

A trial is RUNNING while a worker holds a lease on it, then COMPLETE, PRUNED or FAIL, the last with
a `reason`. A trial that was orphaned is FAIL and `withdrawn`: it counts for nothing, and its point
is the next one that is claimed.
"""

from __future__ import annotations

import json
import time
import uuid
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from speechclean.system.secrets import masked

from .current import IS_CURRENT, REASON, current_trial, means_of
from .leases import CLAIMED_BY, FOLDER, RENEWED, RUN_BY, Leases
from .objective import Goals
from .sampling import next_point
from .settings import Settings, StudyError
from .space import Space, is_in, same
from .storage import Storage

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

#: Attributes of a trial.
WITHDRAWN = "withdrawn"
#: Attributes of the study: its own id, what it searches, its run in the tracking store.
ID, SEARCHED, PARENT = "id", "subject", "parent_run"


@dataclass(frozen=True)
class Study:
    """One study, as this process sees it; `address` of its storage as `settings.storage_of`."""

    settings: Settings
    address: str
    goals: Goals

    @cached_property
    def storage(self) -> Storage:
        """Where it is kept."""
        return Storage(self.address, self.settings.study)

    @cached_property
    def leases(self) -> Leases:
        """The leases on its trials."""
        folder = self.storage.folder
        return Leases(folder / FOLDER if folder else None, self.settings.stale_s)

    @cached_property
    def study(self) -> optuna.Study:
        """Optuna's, created where it is missing. Raises `StudyError`."""
        import optuna

        if folder := self.storage.folder:
            folder.mkdir(parents=True, exist_ok=True)
        directions: list[Any] = self._directions
        other = f"{self.storage.named}: has other objectives"
        with self.exclusive():
            try:
                found = optuna.create_study(
                    study_name=self.settings.study,
                    storage=self.storage.backend,
                    sampler=optuna.samplers.RandomSampler(),  # points come from `sampling`
                    pruner=self._pruner(),
                    directions=directions,
                    load_if_exists=True,
                )
            except ValueError as error:
                raise StudyError(f"{other} ({error}); take another sweep.study=NAME") from error
            if [one.name.lower() for one in found.directions] != directions:
                raise StudyError(f"{other}; take another sweep.study=NAME")
            if ID not in found.user_attrs:
                found.set_user_attr(ID, uuid.uuid4().hex)
        return found

    @property
    def id(self) -> str:
        """The study's own id, whatever it is called."""
        return str(self.study.user_attrs[ID])

    def exclusive(self) -> AbstractContextManager[None]:
        """Nobody else claims trials of this storage inside the block."""
        return self.storage.exclusive()

    def require_same_search(self, searched: Mapping[str, Any]) -> None:
        """Compare what is searched with what the study was begun with.

        Raises `StudyError` where trials of now could not be compared with those that are there.
        """
        now = json.loads(json.dumps(searched, sort_keys=True))
        then = self.study.user_attrs.get(SEARCHED)
        if then is None:
            self.study.set_user_attr(SEARCHED, now)
            return
        other = [key for key in dict.fromkeys([*then, *now]) if then.get(key) != now.get(key)]
        if other:
            keys = ", ".join(
                f"{key} ({_brief(then.get(key))} then, {_brief(now.get(key))} now)"
                for key in other[:5]
            )
            raise StudyError(
                f"{self.storage.named} was begun with other {keys}; take another sweep.study=NAME"
            )

    def trials(self) -> list[FrozenTrial]:
        """The trials that count: all but the withdrawn ones."""
        return [one for one in self._all() if not one.user_attrs.get(WITHDRAWN)]

    def running(self) -> list[FrozenTrial]:
        """Trials that a worker is at, or left behind when it died."""
        return [trial for trial in self.trials() if trial.state.name == "RUNNING"]

    def orphaned(self) -> list[FrozenTrial]:
        """Running trials whose worker is gone."""
        return [trial for trial in self.running() if self.leases.is_orphaned(trial)]

    def claim(self, lease: str, space: Space) -> optuna.trial.Trial | None:
        """A new trial, RUNNING under this lease.

        None when there are as many trials as wanted, or no more points.
        """
        import optuna

        study = self.study  # opened before the lock, which opening takes too
        with self.exclusive():
            trials = self.trials()
            if self.settings.n_trials is not None and len(trials) >= self.settings.n_trials:
                return None
            proposed = self._proposed(trials, space)
            if proposed is None:
                return None
            point, notes, attrs = proposed
            token = uuid.uuid4().hex
            trial = optuna.trial.create_trial(
                state=optuna.trial.TrialState.RUNNING,
                params=point,
                distributions={key: space[key] for key in point},
                user_attrs={CLAIMED_BY: lease, RENEWED: time.time(), "token": token, **attrs},
                system_attrs=notes,
            )
            try:
                study.add_trial(trial)
            except ValueError as error:
                raise StudyError(
                    f"{self.storage.named} has trials over other values ({error}); "
                    "take another sweep.study=NAME"
                ) from error
            mine = [one for one in self._all() if one.user_attrs.get("token") == token]
        return self.handle(mine[0].number)

    def withdraw(self, trial: FrozenTrial, reason: str) -> None:
        """Let an orphaned trial count for nothing; its point is claimed anew."""
        handle = self.handle(trial.number)
        handle.set_user_attr(WITHDRAWN, True)
        self.fail(trial.number, reason)

    def fail(self, number: int, reason: str) -> None:
        """End a trial as failed, with its reason."""
        import optuna

        self.handle(number).set_user_attr(REASON, reason)
        self.study.tell(number, state=optuna.trial.TrialState.FAIL)

    def fail_unless_begun(self, number: int, error: Exception) -> None:
        """End a claimed trial that could not be started; one that has begun ends by itself."""
        trial = self._all()[number]
        if trial.state.name == "RUNNING" and RUN_BY not in trial.user_attrs:
            self.fail(number, reason_of(error))

    def handle(self, number: int) -> optuna.trial.Trial:
        """A trial that can be reported to, by its number."""
        import optuna

        trial_id = self._all()[number]._trial_id  # noqa: SLF001 (Optuna has no public way)
        return optuna.trial.Trial(self.study, trial_id)

    def _proposed(
        self, trials: Sequence[FrozenTrial], space: Space
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]] | None:
        """The next point, the sampler's notes on it and attributes for its trial."""
        if self.settings.current:
            current = current_trial(trials)
            if current is None:
                return {}, {}, {IS_CURRENT: True}
            if current.state.name == "RUNNING":
                return None  # the others are compared with it
            means_of(current)
        found = self._withdrawn_point(trials, space) or next_point(
            self.settings, space, self._directions, trials
        )
        return (*found, {}) if found else None

    @property
    def _directions(self) -> list[str]:
        return [one.direction for one in self.goals.objectives]

    def _all(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _withdrawn_point(
        self, trials: Sequence[FrozenTrial], space: Space
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The first point whose trial was withdrawn and that no other trial has."""
        taken = {same(trial.params) for trial in trials}
        for trial in self._all():
            if (
                trial.user_attrs.get(WITHDRAWN)
                and trial.params
                and is_in(trial.params, space)
                and same(trial.params) not in taken
            ):
                return dict(trial.params), {}
        return None

    def _pruner(self) -> optuna.pruners.BasePruner:
        import optuna

        if not self.settings.prune_p or len(self.goals.objectives) > 1:
            return optuna.pruners.NopPruner()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.pruners.WilcoxonPruner(
                p_threshold=self.settings.prune_p, n_startup_steps=self.settings.prune_after
            )


def reason_of(error: Exception) -> str:
    """Why a trial failed, on one line."""
    said = "; ".join(getattr(error, "problems", ())) or f"{type(error).__name__}: {error}"
    return masked(" ".join(said.split()))[:2000]


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
