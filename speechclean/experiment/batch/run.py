"""A batch from its lock to its delivery."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from speechclean.experiment.config.assemble import Experiment
from speechclean.records.results import tables
from speechclean.records.tracking import Run
from speechclean.stages.types import Track

from . import Interrupted, OutputLost, folder_lock, progress, record, results
from .disk_errors import LOSSES
from .interrupt import on_interrupt
from .ledger import Ledger
from .plan import Plan, plan
from .task import LOST
from .worker_handle import Setup

log = logging.getLogger(__name__)
#: What a killed process leaves of files that it was writing.
LEFTOVERS = (".writing-", ".streaming-", ".probe-")
#: Where in its folder a batch writes, besides the folder itself.
PLACES = ("cleaned", "ab", "plots", "delivery")
CONTINUE = "The same command continues."


def run_batch(
    config: Mapping[str, Any],
    experiment: Experiment,
    params: Mapping[str, object],
    tags: Mapping[str, str] | None,
    console: Console,
    at_end: Callable[[Run], None],
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Clean what is not yet cleaned; the rows and means of all. `config` is the run's resolved one,
    `params` and `tags` for its record, `at_end` is called with it. Raises `BatchError` where it did
    not come to its end; what is finished is kept.
    """
    folder, batch = Path(config["output"]["dir"]), experiment.batch
    tracks, metrics = _foreign(experiment.tracks, folder), experiment.metrics
    with folder_lock.held(folder), Ledger(folder) as ledger:
        _sweep(folder)
        signed = record.identity(config, experiment.weights)
        longest = config["stream_above_s"]
        planned = plan(
            tracks, ledger.entries, signed, config["output"], longest, batch.only, batch.force
        )
        results.write_map(tracks, config["output"]["layout"], folder)
        console.print(_greeting(planned, tracks), highlight=False)
        with experiment.tracking.run(config["name"], tags) as run:
            run.params(params)
            record.begin(run, config, experiment.weights, folder)
            setup = Setup(_without_batch(config), folder, signed.signature, signed.weights)
            try:
                lost, asked = _work(planned, setup, ledger, batch, console)
            except BaseException:
                with suppress(OSError):
                    results.write_all(tracks, ledger.entries, metrics, config, folder)
                raise
            try:
                rows, means, files = results.write_all(
                    tracks, ledger.entries, metrics, config, folder
                )
                record.end(run, rows, means, metrics, files, folder)
                at_end(run)
                if experiment.delivery is not None and not lost:
                    _deliver(experiment.delivery, tracks, ledger, folder, console)
            except OSError as error:
                if not lost and error.errno not in LOSSES:
                    raise
                lost = lost or f"{folder} takes no more: {error.strerror}"
            if lost:
                raise OutputLost(f"{lost}. {len(ledger.entries)} files are done. {CONTINUE}")
            tables.print_table(console, rows, means, metrics, folder, run.id)
            if asked:
                raise Interrupted(
                    f"stopped with {int(means['files_open'])} of {len(tracks)} files to go. {CONTINUE}"
                )
    return rows, means


def _work(
    planned: Plan, setup: Setup, ledger: Ledger, batch: Any, console: Console
) -> tuple[str, bool]:
    """Everything that is to be done, into the ledger. Why the folder took no more, if so; whether
    the end was asked for.
    """
    seconds = {task.alias: task.seconds for task in planned.todo}
    kept_seconds = sum(float(entry.row.get("seconds") or 0) for entry in planned.kept.values())
    pace = progress.Pace(
        len(planned.todo) + len(planned.kept), sum(seconds.values()) + kept_seconds, len(planned.kept), kept_seconds,
        sum(entry.status == "failed" for entry in planned.kept.values()),
    )  # fmt: skip
    lost, asked = "", False
    if not planned.todo:
        return lost, asked
    try:
        with (
            on_interrupt() as stop,
            # its workers are gone before anything else is done
            closing(batch.entries(planned.todo, setup, stop)) as entries,
            progress.shown(pace, console, batch.interval_s) as tick,
        ):
            for entry in entries:
                tick()
                if entry is None or lost:
                    continue
                if entry.status == LOST:
                    lost, stop.asked = entry.reason, True
                    continue
                try:
                    ledger.append([entry])
                except OSError as error:
                    lost, stop.asked = (
                        f"{setup.folder} takes no more: {error.strerror or error}",
                        True,
                    )
                    continue
                pace.add(entry, seconds[entry.alias])
            asked = stop.asked and not lost
    except KeyboardInterrupt:
        raise Interrupted(f"stopped at once. {CONTINUE}") from None
    finally:
        # workers were killed, maybe, and their successors know nothing of what they were writing
        _sweep(setup.folder)
    print(pace.line(), file=console.file, flush=True)
    return lost, asked


def _greeting(planned: Plan, tracks: Sequence[Track]) -> str:
    failed = sum(entry.status == "failed" for entry in planned.kept.values())
    if not planned.kept:
        return f"{len(tracks)} files to clean"
    return f"{len(tracks)} files: {len(planned.kept)} done before ({failed} of them failed), {len(planned.todo)} to clean"


def _deliver(
    delivery: Any, tracks: Sequence[Track], ledger: Ledger, folder: Path, console: Console
) -> None:
    """Pack what was made, once every file has come to an end."""
    if any(track.alias not in ledger.entries for track in tracks):
        log.warning("not every file has come to an end: nothing is packed yet")
        return
    for path in delivery.pack([(folder, ledger.entries[track.alias]) for track in tracks]):
        console.print(f"delivery: {path}", highlight=False, soft_wrap=True)


def _foreign(tracks: Sequence[Track], folder: Path) -> list[Track]:
    """Tracks without those in the output folder, where it lies in the data set's own: they would be
    cleaned once more.
    """
    own = folder.resolve()
    foreign = [track for track in tracks if not track.path.parent.resolve().is_relative_to(own)]
    if len(foreign) < len(tracks):
        log.warning(
            "%d files in %s are the batch's own and left out of the data set",
            len(tracks) - len(foreign),
            folder,
        )
    return foreign


def _without_batch(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ("batch", "delivery")}


def _sweep(folder: Path) -> None:
    """Remove what killed processes left half-written, in the places where a batch writes. Only the
    holder of the lock may, and only while no worker is at work.
    """
    import shutil

    found = [*folder.iterdir()] if folder.is_dir() else []
    for place in PLACES:
        found += (
            Path(root, name)
            for root, folders, files in os.walk(folder / place)
            for name in [*folders, *files]
        )
    for path in found:
        if path.name.startswith(LEFTOVERS):
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
