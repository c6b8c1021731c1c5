"""A run: dataset x pipeline x metrics -> files and tracking. Reads as a table of contents."""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from speechclean.experiment.batch.run import run_batch
from speechclean.experiment.config.assemble import Experiment
from speechclean.experiment.config.build import build
from speechclean.experiment.config.instantiate import MANY, ONE
from speechclean.networks.cache import NoCache
from speechclean.records.results import html_report, tables, verdict
from speechclean.records.results.summary import Row
from speechclean.records.tracking import NOTE_TAG, Run
from speechclean.records.tracking.model import saved_model
from speechclean.stages.types import Track
from speechclean.system import parallel

from . import serving
from .already_cleaned import finished
from .clean import Batching, Outcome, clean
from .load_networks import load
from .outputs import Leaving, cleaned_path, finish
from .recording import Recording, timings

log = logging.getLogger(__name__)
#: Keys that differ between stages of one run only by interpolation from the root: logged once,
#: there.
SHARED = (
    "_target_",
    "shifts",
    "overlap",
    "seed",
    "device",
    "batch_size",
    "precision",
    "eps",
    "uri",
)


@dataclass(frozen=True)
class Result:
    """What a run came to: means over files, a row per file, the aliases of those that failed, what
    was reused.

    `stopped`: a sweep lost interest after some of the files.
    """

    means: Mapping[str, float]
    rows: list[dict[str, Any]]
    failed: list[str]
    reuse: Mapping[str, float]
    stopped: bool = False


@dataclass(frozen=True)
class Trial:
    """What a sweep wants of a run that is one of its trials.

    order: seed of the order in which the files are cleaned, the same in all trials
    after_file: told of each file's own means, {} if it failed; True ends the run early
    scored: what the means (times and costs among them) are worth, and the tags that go with it,
        recorded with the run; whatever it raises fails the run
    """

    order: int
    after_file: Callable[[Mapping[str, float]], bool]
    scored: Callable[[Mapping[str, float], bool], tuple[Mapping[str, float], Mapping[str, str]]]


def run_experiment(
    cfg: DictConfig,
    tags: Mapping[str, str] | None = None,
    trial: Trial | None = None,
    sweeping: bool = False,
) -> Result:
    """Clean, measure and record everything that a config says, under `tags`. Raises `ConfigError`
    before any work.

    A file that cannot be cleaned becomes a row with its reason; the others are finished. A `trial`
    is silent.
    """
    console = Console(quiet=trial is not None)
    experiment = build(cfg, sweeping or trial is not None)
    if trial is not None:
        experiment = replace(experiment, tracks=_shuffled(experiment.tracks, trial.order))
    folder = Path(cfg.output.dir)
    files_at_once = _files_at_once(experiment.pipeline.device)
    batching = Batching(
        files_at_once, cfg.batch_seconds, cfg.stream_above_s, folder, cfg.output.marks
    )
    leaving = Leaving(folder, cfg.output.ab_seconds, cfg.output.plots, cfg.output.cleaned)
    resolved: Any = OmegaConf.to_container(cfg, resolve=True)
    resolved["cache"]["enabled"] = None  # whoever runs this again wants it computed
    if experiment.batch is not None:
        return _batch(cfg, resolved, experiment, tags, console)
    load(experiment)
    tally, stopped = experiment.pipeline.cache.tally, False
    with experiment.tracking.run(cfg.name, tags) as run:
        run.params(_params(cfg, experiment))
        recording = Recording(run, folder, experiment.tracking.outputs_mib, cfg.output.layout)
        recording.begin(resolved, experiment.tracks, experiment.weights)
        rows: list[dict[str, Any]] = []
        try:
            for outcome, row in _with_progress(
                _rows(experiment, batching, leaving, cfg.output.layout), experiment, console
            ):
                rows.append(row)
                if outcome.long is not None and not isinstance(experiment.pipeline.cache, NoCache):
                    log.warning(
                        "%s: too long to be reused, it is computed in every run (stream_above_s)",
                        outcome.track.alias,
                    )
                # dozens of trials are compared by their means; metrics.csv has the files
                if trial is None:
                    run.metrics(_numbers(rows[-1]), step=len(rows) - 1)
                recording.output(outcome, rows[-1])
                if trial is not None and (
                    stopped := trial.after_file(tables.means(rows[-1:], experiment.metrics))
                ):
                    break
        finally:  # an interrupted run still says what it did
            means = tables.means(rows, experiment.metrics)
            files = tables.write_all(rows, means, experiment.metrics, folder, resolved)
            if cfg.output.report:
                files += _page(rows, means, experiment, cfg, folder)
            files += recording.end(rows)
        run.metrics(
            means
            | {
                f"files_{word.replace(' ', '_')}": float(n)
                for word, n in verdict.counts(rows).items()
            }
        )
        run.metrics(tally.metrics())
        if trial is not None:
            score, named = trial.scored({**means, **_costs(rows, tally.saved_s)}, stopped)
            run.metrics(score)
            run.tags(named)
        run.tags({NOTE_TAG: (folder / "summary.md").read_text()})
        for path in files:
            run.file(path)
        for name in ("ab", "plots"):
            if (folder / name).is_dir():
                run.folder(folder / name, name)
        if experiment.tracking.log_model:
            _log_model(run, resolved, experiment.weights)
    tables.print_table(console, rows, means, experiment.metrics, folder, run.id)
    if tally.found and (told := tally.told()):
        console.print(told, highlight=False)
    failed = [row["alias"] for row in rows if row["status"] == "failed"]
    return Result(means, rows, failed, tally.metrics(), stopped)


def _shuffled(tracks: Sequence[Track], seed: int) -> list[Track]:
    """The same order in every trial, and none that a folder's names would give: the first few stand
    for all.
    """
    return random.Random(seed).sample(sorted(tracks, key=lambda track: track.alias), len(tracks))


def _costs(rows: Sequence[Row], saved_s: float) -> dict[str, float]:
    """Times, and what cleaning a second of audio takes where nothing can be reused: what was reused
    counts at its price.
    """
    times = timings(rows)
    if not times.get("time.audio_s"):
        return times
    return times | {
        "cost_per_audio_second": (times["time.total_s"] + saved_s) / times["time.audio_s"]
    }


def _batch(
    cfg: DictConfig,
    resolved: Mapping[str, Any],
    experiment: Experiment,
    tags: Mapping[str, str] | None,
    console: Console,
) -> Result:
    """The same by an executor, file by file into a ledger (`batches`)."""

    def log_model(run: Run) -> None:
        if experiment.tracking.log_model:
            _log_model(run, resolved, experiment.weights)

    rows, means = run_batch(
        resolved, experiment, _params(cfg, experiment), tags, console, log_model
    )
    return Result(means, rows, [row["alias"] for row in rows if row["status"] == "failed"], {})


def _page(
    rows: list[dict[str, Any]],
    means: Mapping[str, float],
    experiment: Experiment,
    cfg: DictConfig,
    folder: Path,
) -> list[Path]:
    """report.html; a run's numbers and sounds are there without it, so that it may fail alone."""
    try:
        return [html_report.write_page(rows, means, experiment.metrics, folder, cfg.name, cfg.seed)]
    except Exception as error:
        log.warning("report.html could not be written (%s: %s)", type(error).__name__, error)
        return []


def _outcomes(experiment: Experiment, batching: Batching) -> Iterator[Outcome]:
    """What becomes of the tracks: files that are already cleaned are only read."""
    if any(track.cleaned_path for track in experiment.tracks):
        return finished(experiment.tracks)
    return clean(experiment.tracks, experiment.pipeline, batching, experiment.screening)


def _rows(
    experiment: Experiment, batching: Batching, leaving: Leaving, layout: str
) -> Iterator[tuple[Outcome, dict[str, Any]]]:
    """Outcomes with their rows, in order; several are measured and written side by side, on one
    thread each.
    """

    def work(item: tuple[Outcome, dict[str, Any] | None]) -> dict[str, Any]:
        outcome, row = item
        return row or _finish(outcome, experiment, leaving, layout)

    def items() -> Iterator[tuple[Outcome, dict[str, Any] | None]]:
        for outcome in _outcomes(experiment, batching):
            # A long separation is gone when the next outcome is asked for.
            yield (
                outcome,
                _finish(outcome, experiment, leaving, layout) if outcome.long is not None else None,
            )

    for (outcome, _), row in parallel.ordered(work, items()):
        yield outcome, row


def _finish(
    outcome: Outcome, experiment: Experiment, leaving: Leaving, layout: str
) -> dict[str, Any]:
    """`finish`, a file whose outputs cannot be written being one that failed."""
    try:
        return finish(outcome, experiment, leaving, cleaned_path(outcome.track, layout))
    except OSError as error:
        track, reason = (
            outcome.track,
            f"{outcome.track.path}: its outputs cannot be written ({error})",
        )
        return {"alias": track.alias, "path": str(track.path), "status": "failed", "reason": reason}


def _with_progress(
    rows: Iterator[tuple[Outcome, dict[str, Any]]], experiment: Experiment, console: Console
) -> Iterator[tuple[Outcome, dict[str, Any]]]:
    columns = (TextColumn("cleaning"), BarColumn(), MofNCompleteColumn(), TextColumn("files"))
    with Progress(
        *columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console
    ) as progress:
        task = progress.add_task("cleaning", total=len(experiment.tracks))
        for row in rows:
            yield row
            progress.advance(task)


def _files_at_once(device: torch.device) -> int:
    """Enough files for every core to have work until the last one; a GPU takes as many as
    `batch_seconds` allows.
    """
    return 4 * parallel.at_once() if device.type == "cpu" else sys.maxsize


def _log_model(run: Run, resolved: Mapping[str, Any], weights: Mapping[str, Path]) -> None:
    """The pipeline as a model that can be served, below `model/` of the run."""
    with TemporaryDirectory() as scratch:
        packed = Path(scratch) / "pipeline"
        packed.mkdir()
        serving.pack(resolved, weights, packed)
        with saved_model(packed) as model:
            run.folder(model, "model")


def _params(cfg: DictConfig, experiment: Experiment) -> dict[str, object]:
    """The some thirty values that runs are compared by; the whole config is an artifact."""
    own = ("shifts", "overlap", "seed", "device", "batch_size", "precision")
    params: dict[str, object] = {key: cfg[key] for key in own}
    params["files"] = len(experiment.tracks)
    for group in ONE:
        if group == "verdict":  # a dozen thresholds, which the config's own file tells
            continue
        params[group] = cfg[group]["_target_"].rsplit(".", 1)[1]
        params |= {
            f"{group}.{key}": value for key, value in cfg[group].items() if key not in SHARED
        }
    for group in MANY:
        params[group] = ", ".join(cfg[group])
    for group in ("separators", "postprocess"):
        for name, node in cfg[group].items():
            params |= {
                f"{group}.{name}.{key}": value
                for key, value in node.items()
                if key not in (*SHARED, "name")
            }
    return params


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """What of a row is a measurement, under the name of the file's own metrics."""
    return {
        f"file.{key}": float(value) for key, value in row.items() if isinstance(value, int | float)
    }
