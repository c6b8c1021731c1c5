"""Hydra's sweeper for studies: `python -m speechclean -m sweep=optuna`. Claims points, launches
them, tells how it goes.

Everything that must outlive this process is in the study's storage; so the same command goes on
where the last one was stopped, and the same command on another machine with the same storage works
on the same study.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console

from speechclean.experiment.config.assemble import Experiment
from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.config.prepare import prepare
from speechclean.experiment.config.validate import validate
from speechclean.experiment.process import set_up_process
from speechclean.records.class_names import with_first
from speechclean.records.provenance import canonical, digest, file_hash
from speechclean.records.tracking import Run, TrackingError
from speechclean.records.tracking.tracker import PARENT_VARIABLE

from . import search_space as spaces
from .objective import Goals
from .settings import Settings, StudyError, plain, storage_of
from .study import ID, PARENT, Study
from .summary import Findings
from .trial import STUDY_TAG, VARIABLE, told

log = logging.getLogger(__name__)
#: Where nothing but the mixture is known, the default objective asks for these.
BLIND_METRICS = ("music_to_speech_db", "music_residual_db", "wer_vs_mixture")
#: Seconds between two looks at the trials of other workers, when all that is left is with them.
WAIT_S = 2.0


class StudySweeper(Sweeper):
    """What `hydra/sweeper=study` names."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.config: Any = config
        self.loader = hydra_context.config_loader
        self.launcher: Any = Plugins.instance().instantiate_launcher(
            config=config, hydra_context=hydra_context, task_function=task_function
        )
        self.folder = Path(str(config.hydra.sweep.dir))
        self.console = Console()

    def sweep(self, arguments: list[str]) -> None:
        """The whole sweep. Raises `ConfigError` before any work, `StudyError` where the study is
        another one.
        """
        set_up_process()
        try:
            settings = Settings.of(self.config)
            self.space, fixed = spaces.space_of(settings.space, arguments)
            if settings.sampler == "grid":
                next(spaces.grid(self.space))
        except ValueError as error:
            raise ConfigError([str(error)]) from error
        experiment, goals, self.fixed = self._prepared(settings, fixed)
        self.study = Study(settings, storage_of(settings, self.folder), goals)
        self.study.agree(self._subject(experiment, goals))
        prepare(experiment, self.folder)
        limit = settings.n_trials or int(spaces.size(self.space))
        self.console.print(
            f"{settings.study}: {goals.told()}; {len(self.study.trials())} of {limit} trials are there",
            markup=False,
            soft_wrap=True,
        )
        tags = {STUDY_TAG: self.study.study.user_attrs[ID], "sweep": str(self.folder)}
        with ExitStack() as stack:
            with self.study.exclusive():  # of two workers that begin together, one makes the parent
                parent = self.study.study.user_attrs.get(PARENT)
                run = stack.enter_context(
                    experiment.tracking.run(settings.study, tags, continues=parent)
                )
                self._parent(run, settings, goals)
            self.findings = Findings(self.study, self.folder, experiment.tracking, run, limit)
            try:
                self._loop(settings, limit)
            finally:
                self.findings.write(self.console)

    def _loop(self, settings: Settings, limit: int) -> None:
        started, done, failures = time.monotonic(), 0, 0
        with self.study.owners.owner() as me:
            while True:
                self.findings.settle_dead()
                batch: list[Any] = []
                while len(batch) < settings.n_jobs and (trial := self.study.claim(me, self.space)):
                    batch.append(trial)
                if not batch:
                    if not self.study.running():
                        return
                    # others are at work on the last ones; should they die, those are ours
                    time.sleep(WAIT_S)
                    continue
                with self.study.owners.pulse(batch):
                    self._launch(batch)
                done += len(batch)
                everything = self.study.study.get_trials(deepcopy=False)
                for trial in batch:
                    ended = everything[trial.number]
                    failures = failures + 1 if ended.state.name == "FAIL" else 0
                    self._tell(ended, (time.monotonic() - started) / done, limit)
                    if failures >= settings.max_failures:
                        raise StudyError(
                            f"{failures} trials failed one after another; the last one said: {told(ended)}"
                        )

    def _launch(self, batch: Sequence[Any]) -> None:
        """Run claimed trials, as many at once as the launcher does."""
        jobs = []
        for trial in batch:
            own = [
                f"+hydra.job.env_set.{VARIABLE}='{trial.number}'",
                f"hydra.sweep.subdir='{trial.number}'",
            ]
            if parent := os.environ.get(PARENT_VARIABLE):
                own.append(f"+hydra.job.env_set.{PARENT_VARIABLE}={parent}")
            jobs.append((*self.fixed, *spaces.as_overrides(trial.params), *own))
        try:
            for answer in self.launcher.launch(jobs, initial_job_idx=batch[0].number):
                # raises what a trial does not keep to itself: a lost store, an interruption
                _ = answer.return_value
        except TrackingError:
            raise
        except Exception as error:  # Hydra could not compose it, or the launcher not start it
            for trial in batch:
                self.study.fail_unstarted(trial.number, error)

    def _tell(self, trial: Any, seconds_each: float, limit: int) -> None:
        there = self.study.trials()
        ended = sum(one.state.name != "RUNNING" for one in there)
        left = max(0, limit - ended) * seconds_each
        best = self.findings.best()
        leading = (
            f" · best {', '.join(f'{value:.3f}' for value in best.values)} in {best.number}"
            if best
            else ""
        )
        self.console.print(
            f"{ended}/{limit}  {told(trial)}{leading} · {_minutes(left)} left",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        self.findings.progress(trial)

    def _prepared(
        self, settings: Settings, fixed: list[str]
    ) -> tuple[Experiment, Goals, list[str]]:
        """Everything that can be known to be wrong, before any work; the experiment of some point,
        and the goals.
        """
        try:
            experiment = self._built(fixed)
            referenced = all(track.reference_path for track in experiment.tracks)
            if settings.objective is None:
                if not referenced and not any(one.startswith("metrics=") for one in fixed):
                    fixed = [*fixed, f"metrics=[{','.join(BLIND_METRICS)}]"]
                    experiment = self._built(fixed)
                only = Goals.of(None, (), referenced).objectives[0]
                terms = ",".join(f"{name}:{weight:g}" for name, weight in only.terms.items())
                fixed = [
                    *fixed,
                    f"sweep.objective={{terms:{{{terms}}},direction:{only.direction}}}",
                ]
                self.console.print(
                    f"No objective is given: {only.direction} {only.name}, "
                    + (
                        "since every file has a reference"
                        if referenced
                        else "since not every file has a reference"
                    ),
                    markup=False,
                    soft_wrap=True,
                )
            goals = Goals.of(plain(settings.objective), settings.constraints, referenced)
        except ValueError as error:
            raise error if isinstance(error, ConfigError) else ConfigError([str(error)]) from error
        if problems := goals.unmeasured(experiment.metrics):
            raise ConfigError(problems)
        return experiment, goals, fixed

    def _built(self, fixed: list[str]) -> Experiment:
        """The experiment of the first point. Raises `ConfigError` for keys of the space that are
        none.
        """
        point = spaces.as_overrides(spaces.first(self.space))
        try:
            cfg = self.loader.load_sweep_config(self.config, [*fixed, *point])
        except Exception as error:
            raise ConfigError([f"sweep.space: {str(error).splitlines()[0]}"]) from error
        with open_dict(cfg):
            cfg.output.dir = str(self.folder)
            cfg.name = "sweep"
            self.sample = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        return validate(self.sample, sweeping=True)

    def _subject(self, experiment: Experiment, goals: Goals) -> dict[str, Any]:
        """What makes trials comparable: everything but the values of what is searched."""
        config = canonical(OmegaConf.to_container(self.sample, resolve=True))  # type: ignore[arg-type]
        subject = {
            "objectives": [[dict(one.terms), one.direction] for one in goals.objectives],
            "constraints": [one.text for one in goals.constraints],
            "space": {key: str(one) for key, one in self.space.items()},
            "inputs": digest([str(file_hash(track.path)) for track in experiment.tracks]),
            "references": digest(
                [
                    str(file_hash(track.reference_path))
                    for track in experiment.tracks
                    if track.reference_path
                ]
            ),
            "metrics": with_first(plain(self.sample.metrics)),
        }
        # Whatever a searched key reaches, by interpolation too, is in the first point and the same
        # in every start.
        return subject | {f"config.{key}": value for key, value in dict(config).items()}

    def _parent(self, run: Run, settings: Settings, goals: Goals) -> None:
        if run.id is None:
            return
        os.environ[PARENT_VARIABLE] = run.id
        if self.study.study.user_attrs.get(PARENT) != run.id:
            self.study.study.set_user_attr(PARENT, run.id)
            run.params(
                {
                    f"sweep.{key}": getattr(settings, key)
                    for key in ("study", "sampler", "seed", "prune_p")
                }
                | {"sweep.objective": goals.told()}
                | {f"sweep.space.{key}": str(one) for key, one in self.space.items()}
            )


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
