"""A run, from its config to its files and its record.

Reads as a table of contents. An ordinary run, a batch, a trial of a sweep and an evaluation are all
this; what differs between them is in their `Session`.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from speechclean.experiment.batch.session import BatchSession
from speechclean.experiment.config import judging
from speechclean.experiment.config.assemble import Experiment
from speechclean.experiment.config.old_names import todays
from speechclean.experiment.config.prepare import prepare
from speechclean.experiment.config.validate import validate
from speechclean.records.file_result import FileResult
from speechclean.records.results import tables, terminal_table, verdict
from speechclean.records.results.headline import Row, headline
from speechclean.records.results.summary import means_of
from speechclean.records.run_folder import SUMMARY
from speechclean.records.run_record import RunRecord, timings
from speechclean.records.tracking import NOTE_TAG, Run
from speechclean.system.device_busy import DeviceBusy
from speechclean.system.secrets import masked_values

from . import serving
from .executor import Session
from .in_process import OrdinarySession
from .load_networks import load
from .run_params import run_params

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What a run came to.

    means: over the files; failed: aliases of the files that failed; reuse: how much was reused
    stopped: whether a sweep ended it after some of the files; headline: the means in five rows
    """

    means: Mapping[str, float]
    results: list[FileResult]
    failed: list[str]
    reuse: Mapping[str, float]
    stopped: bool = False
    headline: Sequence[Row] = ()


@dataclass(frozen=True)
class Trial:
    """What a sweep wants of a run that is one of its trials; such a run prints nothing.

    order: seed of the order in which the files are cleaned, the same in all trials
    after_file: called with each file's own means ({} if it failed); True ends the run early
    scored: called with the means (times and costs among them) and whether the run was ended early;
        returns metrics and tags to record with the run. Whatever it raises fails the run.
    """

    order: int
    after_file: Callable[[Mapping[str, float]], bool]
    scored: Callable[[Mapping[str, float], bool], tuple[Mapping[str, float], Mapping[str, str]]]


def run_experiment(
    cfg: DictConfig,
    tags: Mapping[str, str] | None = None,
    trial: Trial | None = None,
    sweeping: bool = False,
    name: str = "",
) -> Result:
    """Clean, measure and record everything that a config says.

    tags: recorded with the run; sweeping: whether the run is one of several with other knobs
    name: of the run in the store; the config's by default

    A file that cannot be cleaned becomes a result with its reason; the others are finished. Raises
    `ConfigError` before any work, `BatchError` for a batch that did not come to its end.
    """
    cfg = todays(cfg)
    experiment = _prepared(cfg, sweeping or trial is not None)
    if trial is not None:
        experiment = _shuffled(experiment, trial.order)
    console = Console(quiet=trial is not None)
    config, folder = _resolved(cfg), Path(cfg.output.dir)
    metrics, tally = experiment.metrics, experiment.pipeline.cache.tally
    with (
        _session(experiment, config, console) as session,
        experiment.tracking.run(name or cfg.name, tags) as run,
    ):
        run.params(run_params(cfg, len(session.tracks)))
        record = RunRecord(run, folder, experiment.tracking.outputs_mib)
        session.begin(record)
        found = dict(session.earlier)
        try:
            with DeviceBusy(experiment.pipeline.device) as busy:
                stopped = _collect(session, experiment, record, found, trial)
        except BaseException:
            with suppress(OSError):  # an interrupted run still says what it did
                _write(session, experiment, record, found, config)
            raise
        with session.concluding():
            means, results, files = _write(session, experiment, record, found, config)
            run.metrics({**means, **verdict.count_metrics(results), **busy.metrics()})
            if trial is not None:
                _record_score(run, trial, {**means, **_costs(results, tally.saved_s)}, stopped)
            run.tags({NOTE_TAG: (folder / SUMMARY).read_text()})
            for path in files:
                run.file(path)
            session.record_end(run, results)
            if experiment.tracking.log_model:
                serving.log_model(run, config, experiment.weights)
        terminal_table.print_table(
            console, results, metrics, folder, run.pages, experiment.verdict.asked
        )
        if told := busy.told():
            console.print(told, highlight=False)
        session.close()
    failed = [result.alias for result in results if result.failed]
    rows = headline(results, metrics)
    return Result(means, results, failed, tally.metrics(), stopped, rows)


def _prepared(cfg: DictConfig, sweeping: bool) -> Experiment:
    """The experiment of a config, its networks loaded and its folders and store made."""
    experiment = validate(cfg, sweeping)
    if deaf := judging.deafness(
        experiment.guard, experiment.verdict, experiment.metrics, experiment.tracks
    ):
        log.warning(deaf)
    if experiment.batch is None:  # a batch's workers load the networks, each its own
        load(experiment)  # before anything is written: what is no checkpoint is the config's error
    prepare(experiment, Path(cfg.output.dir))
    return experiment


def _resolved(cfg: DictConfig) -> dict[str, Any]:
    """The config as it is recorded, sent and packed: the objects that connect are made already."""
    config: Any = masked_values(OmegaConf.to_container(cfg, resolve=True))
    config["cache"]["enabled"] = None  # whoever runs this again wants it computed
    return {str(key): value for key, value in config.items()}


def _session(
    experiment: Experiment, config: Mapping[str, Any], console: Console
) -> AbstractContextManager[Session]:
    kind = OrdinarySession if experiment.batch is None else BatchSession
    return kind.opened(experiment, config, console)


def _shuffled(experiment: Experiment, seed: int) -> Experiment:
    """The same order in every trial, and not that of the names: the first few stand for all."""
    tracks = sorted(experiment.tracks, key=lambda track: track.alias)
    return replace(experiment, tracks=random.Random(seed).sample(tracks, len(tracks)))


def _collect(
    session: Session,
    experiment: Experiment,
    record: RunRecord,
    found: dict[str, FileResult],
    trial: Trial | None,
) -> bool:
    """Put results into `found` as they come; whether the trial was ended early."""
    for number, result in enumerate(session.results()):
        found[result.alias] = result
        if not session.by_file:
            continue
        # Dozens of trials are compared by their means; metrics.csv has the files.
        if trial is None:
            numbers = {f"file.{name}": value for name, value in result.numbers().items()}
            record.run.metrics(numbers, step=number)
        record.output(result)
        if trial is not None and trial.after_file(means_of([result], experiment.metrics)):
            return True
    return False


def _write(
    session: Session,
    experiment: Experiment,
    record: RunRecord,
    found: Mapping[str, FileResult],
    config: Mapping[str, Any],
) -> tuple[dict[str, float], list[FileResult], list[Path]]:
    """Means, results in the order of the tracks, and the files that were written of them."""
    tracks, metrics = session.tracks, experiment.metrics
    results = [found[track.alias] for track in tracks if track.alias in found]
    means = {**means_of(results, metrics), **session.counts(results)}
    asked = experiment.verdict.asked
    files = tables.write_all(results, means, metrics, record.folder, config, asked)
    files += session.write_reports(results, means)
    return means, results, files + record.end(results)


def _record_score(run: Run, trial: Trial, means: Mapping[str, float], stopped: bool) -> None:
    score, tags = trial.scored(means, stopped)
    run.metrics(score)
    run.tags(tags)


def _costs(results: Sequence[FileResult], saved_s: float) -> dict[str, float]:
    """Times, and what cleaning a second of audio takes where nothing can be reused.

    saved_s: seconds that computing what was reused would have taken
    """
    times = timings(results)
    if not times.get("time.audio_s"):
        return times
    cost = (times["time.total_s"] + saved_s) / times["time.audio_s"]
    return times | {"cost_per_audio_second": cost}
