"""The study in its storage: opened by as many as like to, each trial claimed by one, those of the
dead given up.

A trial's states: RUNNING while it is claimed, COMPLETE, PRUNED, FAIL with a `reason`. One that
nobody finished is FAIL and
`withdrawn`: it counts for nothing, and its point is the next one that is claimed.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from speechclean.records.tracking.address import advisory_lock

from .leases import CLAIMED_BY, RUN_BY, SEEN, Owners
from .objective import Goals
from .sampling import next_point
from .search_space import Space, same
from .settings import Settings, StudyError, folder_of

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)

#: Attributes of a trial.
WITHDRAWN, REASON = "withdrawn", "reason"
#: Attributes of the study: its own id, what it searches, its run in the tracking store.
ID, SUBJECT, PARENT = "id", "subject", "parent_run"


@dataclass(frozen=True)
class Study:
    """One study, as this process sees it."""

    settings: Settings
    storage: str
    goals: Goals

    @cached_property
    def owners(self) -> Owners:
        folder = folder_of(self.storage)
        return Owners(folder / ".alive" if folder else None, self.settings.stale_s)

    @cached_property
    def _backend(self) -> Any:
        import optuna

        if self.storage.startswith("journal:"):
            from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

            path = self.storage.removeprefix("journal:")
            return optuna.storages.JournalStorage(
                JournalFileBackend(path, lock_obj=JournalFileOpenLock(path))
            )
        options: dict[str, Any] = {"pool_pre_ping": True}
        if self.storage.startswith("sqlite:"):
            options = {"connect_args": {"timeout": 60}}  # others write too
        try:
            return optuna.storages.RDBStorage(self.storage, engine_kwargs=options)
        except Exception as error:
            raise self._unusable(error) from error

    @cached_property
    def study(self) -> optuna.Study:
        """Optuna's, created where it is missing."""
        import optuna

        if folder := folder_of(self.storage):
            folder.mkdir(parents=True, exist_ok=True)
        directions: list[Any] = [one.direction for one in self.goals.objectives]
        with self.exclusive():
            try:
                found = optuna.create_study(
                    study_name=self.settings.study,
                    storage=self._backend,
                    sampler=optuna.samplers.RandomSampler(),  # points come from `sampling`
                    pruner=self._pruner(),
                    directions=directions,
                    load_if_exists=True,
                )
            except ValueError as error:
                raise StudyError(
                    f"{self._named}: has other objectives ({error}); take another sweep.study=NAME"
                ) from error
            if [one.name.lower() for one in found.directions] != directions:
                raise StudyError(
                    f"{self._named}: has other objectives; take another sweep.study=NAME"
                )
            if ID not in found.user_attrs:
                found.set_user_attr(ID, uuid.uuid4().hex)
        return found

    @cached_property
    def _locks(self) -> Any:
        """Connections for locks alone: Optuna's own exist only once its tables do, and those are
        made under a lock.
        """
        import sqlalchemy

        engine = sqlalchemy.create_engine(self.storage, poolclass=sqlalchemy.pool.NullPool)
        try:
            engine.connect().close()
        except Exception as error:
            raise self._unusable(error) from error
        return engine

    def _unusable(self, error: Exception) -> StudyError:
        return StudyError(
            f"sweep.storage={self._shown}: cannot be used ({str(error).splitlines()[0]})"
        )

    @property
    def _shown(self) -> str:
        return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", self.storage)

    def _pruner(self) -> optuna.pruners.BasePruner:
        import optuna

        if not self.settings.prune_p or len(self.goals.objectives) > 1:
            return optuna.pruners.NopPruner()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.pruners.WilcoxonPruner(
                p_threshold=self.settings.prune_p, n_startup_steps=self.settings.prune_after
            )

    @property
    def _named(self) -> str:
        return f"the study {self.settings.study!r} in {self._shown}"

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else claims trials of this storage inside the block."""
        if folder := folder_of(self.storage):
            with FileLock(folder / ".study.lock", timeout=120):
                yield
        elif self.storage.startswith("postgresql"):
            with advisory_lock(self._locks, f"study {self.settings.study}"):
                yield
        else:
            yield

    def agree(self, subject: Mapping[str, Any]) -> None:
        """Hold what is searched against what the study was begun with. Raises `StudyError` where
        trials cannot be compared.
        """
        now = json.loads(json.dumps(subject, sort_keys=True))
        then = self.study.user_attrs.get(SUBJECT)
        if then is None:
            self.study.set_user_attr(SUBJECT, now)
            return
        other = [key for key in dict.fromkeys([*then, *now]) if then.get(key) != now.get(key)]
        if other:
            told = ", ".join(
                f"{key} ({_brief(then.get(key))} then, {_brief(now.get(key))} now)"
                for key in other[:5]
            )
            raise StudyError(
                f"{self._named} was begun with other {told}; take another sweep.study=NAME"
            )

    def trials(self) -> list[FrozenTrial]:
        """Those that count: all but the withdrawn ones."""
        return [
            trial
            for trial in self.study.get_trials(deepcopy=False)
            if not trial.user_attrs.get(WITHDRAWN)
        ]

    def claim(self, owner: str, space: Space) -> optuna.trial.Trial | None:
        """A new trial, RUNNING and this owner's; None when there are as many as wanted, or no more
        points.
        """
        import optuna

        study = self.study  # opened before the lock, which opening takes too
        with self.exclusive():
            trials = self.trials()
            if self.settings.n_trials is not None and len(trials) >= self.settings.n_trials:
                return None
            goals = [one.direction for one in self.goals.objectives]
            proposed = self._orphan(trials, space) or next_point(
                self.settings, space, goals, trials
            )
            if proposed is None:
                return None
            point, notes = proposed
            token = uuid.uuid4().hex
            study.add_trial(
                optuna.trial.create_trial(
                    state=optuna.trial.TrialState.RUNNING,
                    params=point,
                    distributions=dict(space),
                    user_attrs={CLAIMED_BY: owner, SEEN: time.time(), "token": token},
                    system_attrs=notes,
                )
            )
            mine = [
                one
                for one in study.get_trials(deepcopy=False)
                if one.user_attrs.get("token") == token
            ]
        return optuna.trial.Trial(study, mine[0]._trial_id)

    def _orphan(
        self, trials: Sequence[FrozenTrial], space: Space
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The first point that was given up and not taken up again."""
        taken = {same(trial.params) for trial in trials}
        for trial in self.study.get_trials(deepcopy=False):
            if (
                trial.user_attrs.get(WITHDRAWN)
                and set(trial.params) == set(space)
                and same(trial.params) not in taken
            ):
                return dict(trial.params), {}
        return None

    def running(self) -> list[FrozenTrial]:
        """Trials that somebody works on, or died over."""
        return [trial for trial in self.trials() if trial.state.name == "RUNNING"]

    def give_up(self, trial: FrozenTrial, reason: str) -> None:
        """Withdraw a trial that nobody works on."""
        import optuna

        handle = optuna.trial.Trial(self.study, trial._trial_id)
        handle.set_user_attr(WITHDRAWN, True)
        handle.set_user_attr(REASON, reason)
        self.study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def fail_unstarted(self, number: int, error: Exception) -> None:
        """Record why a claimed trial did not begin; one that did begin tells its end itself."""
        import optuna

        trial = self.study.get_trials(deepcopy=False)[number]
        if trial.state.name == "RUNNING" and RUN_BY not in trial.user_attrs:
            self.handle(number).set_user_attr(REASON, reason_of(error))
            self.study.tell(number, state=optuna.trial.TrialState.FAIL)

    def handle(self, number: int) -> optuna.trial.Trial:
        """A trial that can be reported to, by its number."""
        import optuna

        trial = self.study.get_trials(deepcopy=False)[number]
        return optuna.trial.Trial(self.study, trial._trial_id)


def reason_of(error: Exception) -> str:
    """Why a trial failed, on one line."""
    said = "; ".join(getattr(error, "problems", ())) or f"{type(error).__name__}: {error}"
    return " ".join(said.split())[:2000]


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
