"""A batch as a run: its folder locked, its ledger open, its progress shown, its end reported."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from speechclean.experiment.config.assemble import Experiment
from speechclean.records.file_result import FileResult
from speechclean.records.run_record import RunRecord
from speechclean.records.tracking import Run
from speechclean.stages.types import Track

from . import Interrupted, OutputLost, folder_lock, progress, record, reports
from .disk_errors import FOLDER_ERRORS
from .interrupt import on_interrupt
from .ledger import Ledger
from .ledger_executor import LedgerExecutor
from .leftovers import remove_leftovers
from .plan import Plan, plan
from .task import Entry
from .worker_handle import Setup

log = logging.getLogger(__name__)
CONTINUE = "The same command continues."


@dataclass
class BatchSession:
    """A batch in its folder, locked, with its ledger open.

    Only the batch as a whole is recorded in the tracking store, not each of its files.

    config: the resolved one; kept: the entries of earlier sessions that still count, by alias
    """

    experiment: Experiment
    config: Mapping[str, Any]
    tracks: Sequence[Track]
    kept: Mapping[str, Entry]
    executor: LedgerExecutor
    console: Console
    by_file: bool = False

    @classmethod
    @contextmanager
    def opened(
        cls, experiment: Experiment, config: Mapping[str, Any], console: Console
    ) -> Iterator[BatchSession]:
        """A batch that is planned. `config` is the resolved one. Raises `Occupied`."""
        folder, pool = Path(config["output"]["dir"]), experiment.batch
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
                pool.only,
                pool.force,
                progress.planning(len(tracks), console),
            )
            reports.write_map(tracks, config["output"], folder)
            console.print(_greeting(planned, tracks), highlight=False)
            own = {key: value for key, value in config.items() if key not in ("batch", "delivery")}
            setup = Setup(own, folder, identity.signature, identity.weights)
            executor = LedgerExecutor(pool, setup, planned.todo, ledger)
            yield cls(experiment, config, tracks, planned.kept, executor, console)

    @property
    def ledger(self) -> Ledger:
        """The batch's ledger."""
        return self.executor.ledger

    @property
    def earlier(self) -> Mapping[str, FileResult]:
        """The results that are in the ledger, by alias."""
        return {alias: entry.result for alias, entry in self.ledger.entries.items()}

    def begin(self, run_record: RunRecord) -> None:
        """Record everything but the inputs, which the workers read."""
        run_record.begin(self.config, {}, self.experiment.weights)
        record.link_sessions(run_record.run, self._folder)

    def results(self) -> Iterator[FileResult]:
        """Results as they come, in the ledger already, while progress is shown.

        Raises `Interrupted` if stopped at once. Once the folder takes no more files, or the end is
        asked for, what is at work is finished and nothing new begun.
        """
        tasks = self.executor.tasks
        if not tasks:
            return
        pace, seconds = self._pace(), {task.alias: task.seconds for task in tasks}
        try:
            with (
                on_interrupt(self.executor.stop),
                # Its workers are gone before anything else is done.
                closing(self.executor.results(self.tracks)) as results,
                progress.shown(pace, self.console, self.executor.pool.interval_s) as tick,
            ):
                for result in results:
                    tick()
                    if result is not None:
                        pace.add(self.ledger.entries[result.alias], seconds[result.alias])
                        yield result
        except KeyboardInterrupt:
            raise Interrupted(f"stopped at once. {CONTINUE}") from None
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
        return reports.write_reports(self.tracks, self.ledger.entries, results, self._folder)

    def record_end(self, run: Run, results: Sequence[FileResult]) -> None:
        """Distributions, the worst files and the inputs."""
        record.record_end(run, results, self.experiment.metrics, self._folder)

    @contextmanager
    def concluding(self) -> Iterator[None]:
        """Deliver what was made. Raises `OutputLost` if the folder takes no more files."""
        lost = self.executor.lost
        try:
            yield
            if self.experiment.delivery is not None and not lost:
                self._deliver()
        except OSError as error:
            if not lost and error.errno not in FOLDER_ERRORS:
                raise
            lost = lost or f"{self._folder} takes no more: {error.strerror}"
        if lost:
            raise OutputLost(f"{lost}. {len(self.ledger.entries)} files are done. {CONTINUE}")

    def close(self) -> None:
        """Raise `Interrupted` if the user asked for the end."""
        if self.executor.stop.asked:
            left = sum(track.alias not in self.ledger.entries for track in self.tracks)
            raise Interrupted(f"stopped with {left} of {len(self.tracks)} files to go. {CONTINUE}")

    @property
    def _folder(self) -> Path:
        return self.executor.setup.folder

    def _pace(self) -> progress.Pace:
        kept = [entry.result for entry in self.kept.values()]
        kept_seconds = sum(float(result.seconds or 0) for result in kept)
        return progress.Pace(
            len(self.executor.tasks) + len(kept),
            sum(task.seconds for task in self.executor.tasks) + kept_seconds,
            len(kept),
            kept_seconds,
            sum(result.failed for result in kept),
        )

    def _deliver(self) -> None:
        """Pack what was made, once every file has come to an end."""
        entries, folder = self.ledger.entries, self._folder
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


def _greeting(planned: Plan, tracks: Sequence[Track]) -> str:
    if not planned.kept:
        return f"{len(tracks)} files to clean"
    failed = sum(entry.result.failed for entry in planned.kept.values())
    kept = f"{len(planned.kept)} done before ({failed} of them failed)"
    return f"{len(tracks)} files: {kept}, {len(planned.todo)} to clean"
