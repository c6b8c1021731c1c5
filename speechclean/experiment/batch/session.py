"""A batch: a run whose files are cleaned by workers, one by one into a ledger."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from speechclean.experiment.config.assemble import Experiment
from speechclean.records.file_result import FileResult, Status
from speechclean.records.run_folder import CLEANED, CLIPS, DELIVERY_FOLDER, PLOTS
from speechclean.records.run_record import RunRecord
from speechclean.records.tracking import Run
from speechclean.stages.types import Track

from . import Interrupted, OutputLost, folder_lock, progress, record, reports
from .disk_errors import LOSSES
from .interrupt import Stop, on_interrupt
from .ledger import Ledger
from .plan import Plan, plan
from .worker_handle import Setup

log = logging.getLogger(__name__)
#: What a killed process leaves of files that it was writing.
LEFTOVERS = (".writing-", ".streaming-", ".probe-")
#: Where in its folder a batch writes, besides the folder itself.
PLACES = (CLEANED, CLIPS, PLOTS, DELIVERY_FOLDER)
CONTINUE = "The same command continues."


@dataclass
class BatchSession:
    """A batch in its folder, locked, with its ledger open.

    Only the batch as a whole is recorded in the tracking store, not each of its files. `lost` says
    why the folder took no more files; `stop.asked` that the user asked for the end.
    """

    experiment: Experiment
    config: Mapping[str, Any]
    tracks: Sequence[Track]
    ledger: Ledger
    plan: Plan
    setup: Setup
    console: Console
    by_file: bool = False
    lost: str = ""
    stop: Stop = field(default_factory=Stop)

    @classmethod
    @contextmanager
    def opened(
        cls, experiment: Experiment, config: Mapping[str, Any], console: Console
    ) -> Iterator[BatchSession]:
        """A batch that is planned. `config` is the resolved one. Raises `Occupied`."""
        folder, options = Path(config["output"]["dir"]), experiment.batch
        tracks = outside(experiment.tracks, folder)
        with folder_lock.held(folder), Ledger(folder) as ledger:
            remove_leftovers(folder)
            identity = record.identity(config, experiment.weights)
            planned = plan(
                tracks,
                ledger.entries,
                identity,
                config["output"],
                config["stream_above_s"],
                options.only,
                options.force,
            )
            reports.write_map(tracks, config["output"]["layout"], folder)
            console.print(_greeting(planned, tracks), highlight=False)
            own = {key: value for key, value in config.items() if key not in ("batch", "delivery")}
            setup = Setup(own, folder, identity.signature, identity.weights)
            yield cls(experiment, config, tracks, ledger, planned, setup, console)

    @property
    def earlier(self) -> Mapping[str, FileResult]:
        """The results that are in the ledger, by alias."""
        return {alias: entry.result for alias, entry in self.ledger.entries.items()}

    def begin(self, run_record: RunRecord) -> None:
        """Record everything but the inputs, which the workers read."""
        run_record.begin(self.config, {}, self.experiment.weights)
        record.link_sessions(run_record.run, self.setup.folder)

    def results(self) -> Iterator[FileResult]:
        """Clean what is to be cleaned, into the ledger. Raises `Interrupted` if stopped at once.

        Once the folder takes no more files, or the end is asked for, what is at work is finished
        and nothing new begun.
        """
        if not self.plan.todo:
            return
        executor, pace = self.experiment.batch, self._pace()
        seconds = {task.alias: task.seconds for task in self.plan.todo}
        try:
            with (
                on_interrupt() as self.stop,
                # Its workers are gone before anything else is done.
                closing(executor.entries(self.plan.todo, self.setup, self.stop)) as entries,
                progress.shown(pace, self.console, executor.interval_s) as tick,
            ):
                for entry in entries:
                    tick()
                    if entry is None or self.lost:
                        continue
                    if entry.result.status == Status.LOST:
                        self._lose(entry.result.reason)
                        continue
                    try:
                        self.ledger.append([entry])
                    except OSError as error:
                        why = error.strerror or error
                        self._lose(f"{self.setup.folder} takes no more: {why}")
                        continue
                    pace.add(entry, seconds[entry.alias])
                    yield entry.result
        except KeyboardInterrupt:
            raise Interrupted(f"stopped at once. {CONTINUE}") from None
        finally:
            # Workers may have been killed; their successors know nothing of what they were writing.
            remove_leftovers(self.setup.folder)
        print(pace.line(), file=self.console.file, flush=True)

    def counts(self, results: Sequence[FileResult]) -> Mapping[str, float]:
        """How many files have not come to an end."""
        return {"files_open": float(len(self.tracks) - len(results))}

    def write_reports(
        self,
        results: Sequence[FileResult],
        means: Mapping[str, float],  # noqa: ARG002 (the interface's)
    ) -> Sequence[Path]:
        """failed.csv, inputs.csv and files.json."""
        return reports.write_reports(self.tracks, self.ledger.entries, results, self.setup.folder)

    def record_end(self, run: Run, results: Sequence[FileResult]) -> None:
        """Distributions, the worst files and the inputs."""
        record.record_end(run, results, self.experiment.metrics, self.setup.folder)

    @contextmanager
    def concluding(self) -> Iterator[None]:
        """Deliver what was made. Raises `OutputLost` if the folder takes no more files."""
        try:
            yield
            if self.experiment.delivery is not None and not self.lost:
                self._deliver()
        except OSError as error:
            if not self.lost and error.errno not in LOSSES:
                raise
            self.lost = self.lost or f"{self.setup.folder} takes no more: {error.strerror}"
        if self.lost:
            raise OutputLost(f"{self.lost}. {len(self.ledger.entries)} files are done. {CONTINUE}")

    def close(self) -> None:
        """Raise `Interrupted` if the user asked for the end."""
        if self.stop.asked:
            left = sum(track.alias not in self.ledger.entries for track in self.tracks)
            raise Interrupted(f"stopped with {left} of {len(self.tracks)} files to go. {CONTINUE}")

    def _lose(self, why: str) -> None:
        self.lost, self.stop.asked = why, True

    def _pace(self) -> progress.Pace:
        kept = [entry.result for entry in self.plan.kept.values()]
        kept_seconds = sum(float(result.seconds or 0) for result in kept)
        return progress.Pace(
            len(self.plan.todo) + len(kept),
            sum(task.seconds for task in self.plan.todo) + kept_seconds,
            len(kept),
            kept_seconds,
            sum(result.failed for result in kept),
        )

    def _deliver(self) -> None:
        """Pack what was made, once every file has come to an end."""
        entries, folder = self.ledger.entries, self.setup.folder
        if any(track.alias not in entries for track in self.tracks):
            log.warning("not every file has come to an end: nothing is packed yet")
            return
        files = [(folder, entries[track.alias]) for track in self.tracks]
        for path in self.experiment.delivery.pack(files):
            self.console.print(f"delivery: {path}", highlight=False, soft_wrap=True)


def outside(tracks: Sequence[Track], folder: Path) -> list[Track]:
    """The tracks that are not in the output folder, where it lies in the data set's own."""
    own = folder.resolve()
    kept = [track for track in tracks if not track.path.parent.resolve().is_relative_to(own)]
    if len(kept) < len(tracks):
        log.warning(
            "%d files in %s are the batch's own and left out of the data set",
            len(tracks) - len(kept),
            folder,
        )
    return kept


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half-written, in the places where a batch writes.

    Only the holder of the folder's lock may, and only while no worker is at work.
    """
    found = [*folder.iterdir()] if folder.is_dir() else []
    for place in PLACES:
        for root, folders, files in os.walk(folder / place):
            found += (Path(root, name) for name in [*folders, *files])
    for path in found:
        if not path.name.startswith(LEFTOVERS):
            continue
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _greeting(planned: Plan, tracks: Sequence[Track]) -> str:
    if not planned.kept:
        return f"{len(tracks)} files to clean"
    failed = sum(entry.result.failed for entry in planned.kept.values())
    kept = f"{len(planned.kept)} done before ({failed} of them failed)"
    return f"{len(tracks)} files: {kept}, {len(planned.todo)} to clean"
