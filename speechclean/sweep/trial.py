"""One trial: a run that reports file by file, may be stopped early, and tells the study its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.config.run_name import in_words
from speechclean.experiment.run import Result, Trial, run_experiment
from speechclean.records.tracking import TrackingError

from .current import IS_CURRENT, MEANS, REASON, current_trial, means_of
from .leases import RUN_BY
from .objective import Goals, ObjectiveError
from .settings import Settings, plain, storage_of
from .space import as_overrides
from .study import Study, reason_of

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

#: Tags of a run that is a trial: its study, its number there, and how it ended (COMPLETE or
#: PRUNED).
STUDY_TAG, NUMBER_TAG, STATE_TAG = "study", "trial", "trial_state"
#: Attributes of a trial: what was reused, how long it took, how many files failed (only where the
#: trial could be compared with the others).
REUSE, SECONDS, FAILED_FILES = "reuse", "seconds", "files_failed"


def run_trial(cfg: DictConfig, number: int, folder: Path, tags: Mapping[str, str]) -> None:
    """Run a claimed trial.

    Whatever goes wrong in it is recorded as its reason; only a lost tracking store, a lost storage
    of the study (`StudyError`) and an interruption are raised.

    folder: of the sweep; tags: of the run, beside those that name the trial
    """
    import optuna

    # A process that runs a trial runs nothing else.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    settings = Settings.of(cfg)
    goals = Goals.of(plain(cfg.sweep.objective), settings.constraints, has_references=True)
    study = Study(settings, storage_of(settings, folder), goals)
    with study.storage.explained():
        _run(cfg, number, study, tags)


def _run(cfg: DictConfig, number: int, study: Study, tags: Mapping[str, str]) -> None:
    settings, handle = study.settings, study.handle(number)
    started = time.monotonic()
    with study.leases.hold() as lease:
        handle.set_user_attr(RUN_BY, lease)
        with study.leases.renewed([handle]):
            running = _Running(study, handle)
            try:
                hooks = Trial(settings.seed, running.after_file, running.scored)
                named = {**tags, STUDY_TAG: study.id, NUMBER_TAG: str(number)}
                params = study.study.get_trials(deepcopy=False)[number].params
                name = f"trial {number}: {in_words(as_overrides(params)) or 'as it stands'}"
                result = run_experiment(cfg, named, hooks, name=name)
            except TrackingError:
                study.withdraw(study.study.trials[number], "the tracking store was lost")
                raise
            except Exception as error:  # a trial may fail; the sweep goes on
                # These two say all there is to say.
                if not isinstance(error, ConfigError | ObjectiveError):
                    log.exception("trial %d", number)
                handle.set_user_attr(SECONDS, time.monotonic() - started)
                study.fail(number, reason_of(error))
            except BaseException as error:
                reason = f"interrupted ({type(error).__name__})"
                study.withdraw(study.study.trials[number], reason)
                raise
            else:
                handle.set_user_attr(SECONDS, time.monotonic() - started)
                running.finish(result)


@dataclass
class _Running:
    study: Study
    handle: optuna.trial.Trial
    _files: int = 0
    _values: list[float] = field(default_factory=list)

    def after_file(self, means: Mapping[str, float]) -> bool:
        """Report the means of one file; whether the trial can be stopped, being worse."""
        self._files += 1
        objectives = self.study.goals.objectives
        if len(objectives) > 1 or not objectives[0].by_file:
            return False
        try:
            value = objectives[0].value(means)
        except ObjectiveError:  # the metric does not apply to this file
            return False
        # A file has the same step number in every trial, so that trials can be compared.
        self.handle.report(value, self._files - 1)
        return self.handle.should_prune()

    def scored(
        self, means: Mapping[str, float], stopped: bool
    ) -> tuple[Mapping[str, float], Mapping[str, str]]:
        """Metrics and tags for the run's record. Raises `ObjectiveError` for what has no value."""
        if self.study.study.get_trials(deepcopy=False)[self.handle.number].state.name != "RUNNING":
            raise ObjectiveError(
                "the sweep has withdrawn this trial: its process was taken for dead"
            )
        self.handle.set_user_attr(MEANS, {name: float(value) for name, value in means.items()})
        if stopped:
            return {}, {STATE_TAG: "PRUNED"}
        self._check_files(int(means["files_failed"]))
        self._values = [one.value(means) for one in self.study.goals.objectives]
        current = self._current_means()
        violations = {
            one.text: one.violation(means, current) for one in self.study.goals.constraints
        }
        for text, violation in violations.items():
            self.handle.set_constraint(text, violation)
        recorded = dict(zip(value_names(self.study.goals), self._values, strict=True))
        recorded |= {
            f"constraint.{index + 1}": violation
            for index, violation in enumerate(violations.values())
        }
        return recorded, {STATE_TAG: "COMPLETE"}

    def _current_means(self) -> Mapping[str, float] | None:
        """Of the config as it stands; None where nothing is compared with it, or for itself."""
        mine = self.study.study.get_trials(deepcopy=False)[self.handle.number]
        if not self.study.settings.current or mine.user_attrs.get(IS_CURRENT):
            return None
        return means_of(current_trial(self.study.trials()))

    def _check_files(self, failed: int) -> None:
        """Means over other files than the other trials' cannot be compared with theirs."""
        others = [
            trial.user_attrs.get(FAILED_FILES)
            for trial in self.study.trials()
            if trial.state.name == "COMPLETE"
        ]
        known = [count for count in others if count is not None]
        if known and failed > min(known):
            raise ObjectiveError(
                f"{failed} files failed, in other trials only {min(known)}; "
                "the run's summary.md names them"
            )
        self.handle.set_user_attr(FAILED_FILES, failed)

    def finish(self, result: Result) -> None:
        """Tell the study how the trial ended."""
        import optuna

        self.handle.set_user_attr(REUSE, dict(result.reuse))
        if result.stopped:
            self.study.study.tell(self.handle.number, state=optuna.trial.TrialState.PRUNED)
        else:
            self.study.study.tell(self.handle.number, self._values)


def value_names(goals: Goals) -> list[str]:
    """What the objectives' values are called among a run's metrics."""
    several = len(goals.objectives) > 1
    return [
        f"objective.{index + 1}" if several else "objective"
        for index in range(len(goals.objectives))
    ]


def failed_files(trial: Any) -> int:
    """How many files failed in a trial that came to its end, as far as it recorded that."""
    return int(trial.user_attrs.get(MEANS, {}).get("files_failed", 0))


def one_line(trial: Any) -> str:
    """One line about a trial that has ended."""
    attrs, state = trial.user_attrs, trial.state.name
    what = f"{trial.number}: " + ", ".join(
        f"{key.rpartition('.')[2]}={value}" for key, value in trial.params.items()
    )
    if state == "FAIL":
        return f"{what} · failed: {attrs.get(REASON, '')}"
    reuse = attrs.get(REUSE, {})
    forwards = sum(value for key, value in reuse.items() if key.endswith("_forwards"))
    spared = sum(value for key, value in reuse.items() if key.endswith("_forwards_spared"))
    values = (
        "stopped early"
        if state == "PRUNED"
        else ", ".join(f"{value:.3f}" for value in trial.values)
    )
    broken = [text for text, violation in trial.constraints.items() if violation > 0]
    values += f" (not {', '.join(broken)})" if broken else ""
    seconds = attrs.get(SECONDS, 0)
    return f"{what} · {values} · {forwards:.0f} forwards, {spared:.0f} reused · {seconds:.1f} s"
