"""The executor of a batch: files cleaned by a pool of workers, one by one into a ledger."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from speechclean.experiment.executor import Executor
from speechclean.records.file_result import FileResult, Status
from speechclean.stages.types import Track

from .dispatch import dispatch
from .interrupt import Stop
from .ledger import Ledger
from .leftovers import remove_leftovers
from .task import Entry, Task
from .worker_handle import Setup
from .worker_pool import WorkerPool


@dataclass
class LedgerExecutor(Executor):
    """Cleans the tasks of a plan; what became of each is in the ledger before it is yielded.

    tasks: what is to be cleaned, in the order of work; the ledger knows the other files already
    stop: once it is asked for, what is in flight is finished and nothing new begun
    lost: why the output folder took no more files, which asks for the stop too; else empty

    Its owner holds the folder's lock.
    """

    pool: WorkerPool
    setup: Setup
    tasks: Sequence[Task]
    ledger: Ledger
    stop: Stop = field(default_factory=Stop)
    lost: str = ""

    def results(self, tracks: Sequence[Track]) -> Generator[FileResult | None, None, None]:
        """A result for each of the tracks that is among the tasks, as they end; None in between.

        Workers are gone when the generator ends or is closed, and nothing is left half-written.
        Raises `WorkersLost` if workers cannot live, `ConfigError` for what they find wrong.
        """
        wanted = {track.alias for track in tracks}
        tasks = [task for task in self.tasks if task.alias in wanted]
        if not tasks:
            return
        try:
            with (
                self.pool.opened(self.setup) as pool,
                closing(dispatch(tasks, self.setup, pool.start, pool.count, self.stop)) as entries,
            ):
                for entry in entries:
                    yield self._recorded(entry) if entry is not None else None
        finally:
            # Workers may have been killed; their successors know nothing of what they were writing.
            remove_leftovers(self.setup.folder)

    def _recorded(self, entry: Entry) -> FileResult | None:
        """The result of an entry that is in the ledger now; None once the folder takes no more."""
        if self.lost:
            return None
        if entry.result.status == Status.LOST:
            self._lose(entry.result.reason)
            return None
        try:
            self.ledger.append([entry])
        except OSError as error:
            self._lose(f"{self.setup.folder} takes no more: {error.strerror or error}")
            return None
        return entry.result

    def _lose(self, why: str) -> None:
        self.lost, self.stop.asked = why, True
