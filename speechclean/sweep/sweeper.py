"""Hydra's sweeper for studies: `speechclean -m sweep=optuna`.

It claims points, launches them as trials and prints how the study goes. Everything that must
outlive this process is in the study's storage. So the same command goes on where the last one was
stopped, and the same command on another machine with the same storage works on the same study.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from rich.console import Console

from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.config.masking import mask
from speechclean.experiment.config.prepare import prepare as prepare_experiment
from speechclean.experiment.process import set_up_process
from speechclean.records.key_names import current_key
from speechclean.records.tracking import Run, TrackingError
from speechclean.records.tracking.tracker import PARENT_VARIABLE
from speechclean.system.plain_text import printable

from . import listen
from .page import Listening
from .prepare import Prepared, compose, prepare
from .settings import VARIABLE, FilesFailedError, Settings, StudyError, storage_of
from .space import as_overrides, size
from .study import PARENT, Study
from .summary import Summary
from .trial import STUDY_TAG, failed_files, one_line
from .trial_records import TrialRecords

#: Seconds between two looks at the trials of other workers, when only those are left.
WAIT_S = 2.0
#: Settings that the parent run records.
RECORDED = ("study", "sampler", "seed", "prune_p")


class StudySweeper(Sweeper):
    """What `hydra/sweeper=study` names."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra hands over: the config and the launcher."""
        self.config: Any = config
        self.loader = hydra_context.config_loader
        # What it hands to other processes it may write into files; each trial composes its own.
        launched = copy.deepcopy(config)
        mask(launched)
        self.launcher: Any = Plugins.instance().instantiate_launcher(
            config=launched, hydra_context=hydra_context, task_function=task_function
        )
        self.folder = Path(str(config.hydra.sweep.dir))
        self.console = Console()

    def sweep(self, arguments: list[str]) -> None:
        """The whole sweep.

        Raises `ConfigError` before any work, `StudyError` where the study is another one or its
        trials fail one after another, and `FilesFailedError` at the end where files failed.
        """
        import optuna

        set_up_process()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            settings = Settings.of(self.config)
        except ValueError as error:
            raise ConfigError([str(error)]) from error
        prepared = prepare(self.config, self.loader, settings, arguments, self.folder)
        if prepared.notice:
            self._print(prepared.notice)
        study = Study(settings, storage_of(settings, self.folder), prepared.goals)
        with study.storage.explained():
            self._sweep_study(study, prepared)

    def _sweep_study(self, study: Study, prepared: Prepared) -> None:
        """Work on a study until there are as many trials as wanted, and write its summary."""
        settings = study.settings
        study.require_same_search(prepared.searched())
        prepare_experiment(prepared.experiment, self.folder)
        limit = _limit(settings, prepared)
        of = f" of {limit}" if limit else ""
        within = f", within {settings.budget}" if settings.budget else ""
        self._print(
            f"{settings.study}: {prepared.goals.one_line()}; "
            f"{len(study.trials())}{of} trials are there{within}"
        )
        tags = {STUDY_TAG: study.id, "sweep": str(self.folder)}
        tracking = prepared.experiment.tracking
        with ExitStack() as stack:
            with study.exclusive():  # of two workers that begin together, one makes the parent
                parent = study.study.user_attrs.get(PARENT)
                run = stack.enter_context(tracking.run(settings.study, tags, continues=parent))
                _make_parent(run, study, prepared)
            records = TrialRecords(study, tracking, run)
            summary = Summary(study, self.folder, run, records, limit)
            listening = None
            try:
                self._run_trials(study, prepared, summary)
                listening = self._listening(summary, prepared)
            finally:
                summary.write(self.console, listening)
        _check_files(study)

    def _run_trials(self, study: Study, prepared: Prepared, summary: Summary) -> None:
        """Claim and launch trials until there are as many as wanted."""
        started, done, failures = time.monotonic(), 0, 0
        with study.leases.hold() as lease:
            while True:
                summary.records.settle_orphaned_trials()
                spent = time.monotonic() - started
                if spent >= (study.settings.budget_s or math.inf):
                    self._print(f"the budget of {study.settings.budget} is spent")
                    return
                batch: list[Any] = []
                while len(batch) < study.settings.n_jobs and (
                    trial := study.claim(lease, prepared.space)
                ):
                    batch.append(trial)
                if not batch:
                    if not study.running():
                        return
                    # Other workers are at the last trials; should they die, this one takes over.
                    time.sleep(WAIT_S)
                    continue
                with study.leases.renewed(batch):
                    self._launch(study, batch, prepared.overrides)
                done += len(batch)
                everything = study.study.get_trials(deepcopy=False)
                for trial in batch:
                    ended = everything[trial.number]
                    failures = failures + 1 if ended.state.name == "FAIL" else 0
                    spent = time.monotonic() - started
                    self._print_progress(summary, ended, spent / done, spent)
                    if failures >= study.settings.max_failures:
                        raise StudyError(
                            f"{failures} trials failed one after another; "
                            f"the last one said: {one_line(ended)}"
                        )

    def _listening(self, summary: Summary, prepared: Prepared) -> Listening | None:
        """The best settings to be heard; None where nobody wants to, or the page has them."""
        wanted = summary.study.settings.listen
        shown = summary.shown(wanted) if wanted and not summary.is_drawn() else []
        if not shown:
            return None
        self._print(f"cleaning {listen.FILES} files by each of the best settings, to be heard")
        configs, called = {}, {"mixture": "Mixture"}
        for trial in shown:
            name = f"trial_{trial.number}"
            overrides = [*prepared.overrides, *as_overrides(trial.params)]
            configs[name] = compose(self.config, self.loader, overrides, self.folder)
            called[name] = f"Trial {trial.number}" if trial.params else "As it stands"
        compared = list(called)[:2] if len(shown) == 1 else list(configs)[:2]
        return Listening(listen.clips(prepared.experiment.tracks, configs), called, compared)

    def _launch(self, study: Study, batch: Sequence[Any], overrides: Sequence[str]) -> None:
        """Run claimed trials, as many at once as the launcher does."""
        jobs = []
        for trial in batch:
            own = [
                f"+hydra.job.env_set.{VARIABLE}='{trial.number}'",
                f"hydra.sweep.subdir='{trial.number}'",
            ]
            if parent := os.environ.get(PARENT_VARIABLE):
                own.append(f"+hydra.job.env_set.{PARENT_VARIABLE}={parent}")
            jobs.append((*overrides, *as_overrides(trial.params), *own))
        try:
            for answer in self.launcher.launch(jobs, initial_job_idx=batch[0].number):
                # Raises what a trial does not keep to itself: a lost store, an interruption.
                _ = answer.return_value
        except (TrackingError, StudyError):
            raise
        except Exception as error:  # noqa: BLE001 (Hydra could not compose or start a trial)
            for trial in batch:
                study.fail_unless_begun(trial.number, error)

    def _print_progress(
        self, summary: Summary, trial: Any, seconds_each: float, spent: float
    ) -> None:
        ended = sum(one.state.name != "RUNNING" for one in summary.study.trials())
        of = f"/{summary.limit}" if summary.limit else ""
        left = max(0, summary.limit - ended) * seconds_each if summary.limit else math.inf
        budget_s = summary.study.settings.budget_s or math.inf
        left = min(left, max(0.0, budget_s - spent))
        self._print(f"{ended}{of}  {one_line(trial)}{summary.leading()} · {_minutes(left)} left")
        summary.log_progress(trial)

    def _print(self, line: str) -> None:
        # What a trial says comes from the study's storage, which others may write to.
        self.console.print(printable(line), highlight=False, markup=False, soft_wrap=True)


def _limit(settings: Settings, prepared: Prepared) -> int | None:
    """How many trials the study shall have; None where time alone ends it."""
    if settings.n_trials or settings.budget:
        return settings.n_trials
    points = size(prepared.space) + settings.current
    return int(points) if math.isfinite(points) else None


def _make_parent(run: Run, study: Study, prepared: Prepared) -> None:
    """Make `run` the parent of the trials' runs, unless it is already."""
    if run.id is None:
        return
    os.environ[PARENT_VARIABLE] = run.id
    if study.study.user_attrs.get(PARENT) != run.id:
        study.study.set_user_attr(PARENT, run.id)
        params = {f"sweep.{key}": getattr(study.settings, key) for key in RECORDED}
        params["sweep.objective"] = prepared.goals.one_line()
        space = {f"sweep.space.{current_key(key)}": str(one) for key, one in prepared.space.items()}
        run.params(params | space)


def _check_files(study: Study) -> None:
    """Raise `FilesFailedError` where files failed in a trial of the study.

    It is the study that knows, since its trials may have run in other processes and machines.
    """
    failed = {trial.number: count for trial in study.trials() if (count := failed_files(trial))}
    if failed:
        most = max(failed.values())
        raise FilesFailedError(
            f"Files failed in {len(failed)} of {len(study.trials())} trials, at most {most} in "
            "one; summary.md in the trial's folder names them"
        )


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
