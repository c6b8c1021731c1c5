"""The last step of a file in a worker: its outputs and its entry for the ledger."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from speechclean.audio.stream import LongAudio
from speechclean.experiment.clean import Outcome
from speechclean.experiment.measure import Criteria
from speechclean.experiment.outputs import OutputOptions, write_outputs
from speechclean.records import provenance
from speechclean.records.file_result import FileResult, Status

from . import memory_errors
from .disk_errors import folder_error
from .jobs import Job
from .task import Entry, Input, Task

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EntryWriter:
    """Writes outputs; `signature` and `weights` are hashes for the entries."""

    criteria: Criteria
    options: OutputOptions
    signature: str
    weights: str

    def write(self, job: Job, outcome: Outcome) -> Entry:
        """Write the outputs of a job's file; its entry, whatever happens."""
        task = job.task
        result = self._result(job, outcome)
        digest = facts = None
        if result.cleaned:
            output = self.options.folder / task.output
            try:
                digest, facts = provenance.file_hash(output), output.stat()
            except OSError as error:
                result = self._failure(job, error)
        return self._entry(result, job.input, job.started, digest, facts)

    def failed(self, task: Task, reason: str, read: Input | None, started: float) -> Entry:
        """The entry of a file of which nothing was written, for a reason.

        read: the input as it was; started: by the monotonic clock, in seconds
        """
        plain = memory_errors.plain(reason, task.path)
        result = FileResult.failure(task.alias, task.path, plain, task.output)
        return self._entry(result, read, started)

    def _entry(
        self,
        result: FileResult,
        read: Input | None,
        started: float,
        digest: str | None = None,
        facts: os.stat_result | None = None,
    ) -> Entry:
        return Entry(
            result,
            self.signature,
            self.weights,
            read or Input(None, None, None),
            digest,
            facts.st_size if facts else None,
            facts.st_mtime_ns if facts else None,
            round(time.monotonic() - started, 3),
            datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _result(self, job: Job, outcome: Outcome) -> FileResult:
        folder, task = self.options.folder, job.task
        output = folder / task.output
        try:
            _check_inside(output, folder.resolve())
            result = write_outputs(outcome, self.criteria, self.options, task.output)
            if result.cleaned:
                return result
            output.unlink(missing_ok=True)  # it may be that of an earlier config or input
        except Exception as error:  # noqa: BLE001 (whatever it is, it is this file's failure)
            return self._failure(job, error)
        # Streams pass through the folder.
        streamed = isinstance(job.sound, LongAudio)
        if streamed and (why := folder_error(None, folder, 8 * job.weight)):
            return FileResult(task.alias, task.path, Status.LOST, why, output=task.output)
        return replace(result, reason=memory_errors.plain(result.reason, task.path))

    def _failure(self, job: Job, error: Exception) -> FileResult:
        """The result of a file that failed, or of one for which the folder has no room.

        What it needs is what was read of it, not what its header says.
        """
        task = job.task
        if why := folder_error(error, self.options.folder, 4 * job.weight):
            return FileResult(task.alias, task.path, Status.LOST, why, output=task.output)
        log.error("%s", task.path, exc_info=error)
        reason = f"{task.path}: {type(error).__name__}: {error}"
        plain = memory_errors.plain(reason, task.path)
        return FileResult.failure(task.alias, task.path, plain, task.output)


def _check_inside(output: Path, folder: Path) -> None:
    """Raise `ValueError` if a link on the way leads out of the folder."""
    if not output.parent.resolve().is_relative_to(folder):
        raise ValueError(
            f"{output.parent} is a link that leads out of the output folder; remove it"
        )
