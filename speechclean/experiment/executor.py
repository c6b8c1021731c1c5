"""What a run needs of whatever cleans its files.

An `Executor` turns tracks into results: `in_process.InProcess` in this process, and
`batch.ledger_executor.LedgerExecutor` by a pool of workers, which are processes of this machine or
actors of a Ray cluster. A `Session` adds what an ordinary run and a batch do differently before,
during and after that; `run` is the same for both.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from speechclean.records.file_result import FileResult
from speechclean.records.run_record import RunRecord
from speechclean.records.tracking import Run
from speechclean.stages.types import Track


class Executor(Protocol):
    """Cleans files, in whatever process."""

    @abstractmethod
    def results(self, tracks: Sequence[Track]) -> Iterator[FileResult | None]:
        """A result for each track that is to be cleaned, as they end.

        None now and then means: still at work. Files that cannot be cleaned have a result too,
        which says why.
        """


class Session(Protocol):
    """One execution of a run.

    tracks: what is to be cleaned
    earlier: results of earlier sessions in the same folder, by alias
    by_file: whether each file's numbers and its cleaned sound are recorded with the run
    """

    @property
    def tracks(self) -> Sequence[Track]:
        """See above."""

    @property
    def earlier(self) -> Mapping[str, FileResult]:
        """See above."""

    @property
    def by_file(self) -> bool:
        """See above."""

    def begin(self, record: RunRecord) -> None:
        """Record what is known before any work."""

    def results(self) -> Iterator[FileResult]:
        """Results as they come, while progress is shown."""

    def counts(self, results: Sequence[FileResult]) -> Mapping[str, float]:
        """Numbers of files that are told with the means."""

    def write_reports(
        self, results: Sequence[FileResult], means: Mapping[str, float]
    ) -> Sequence[Path]:
        """Write what this kind of run leaves besides its tables."""

    def record_end(self, run: Run, results: Sequence[FileResult]) -> None:
        """Record what this kind of run has besides metrics of its files."""

    def concluding(self) -> AbstractContextManager[None]:
        """Surrounds all that is written at the end."""

    def close(self) -> None:
        """The last words, after the table; raises what kept the run from its end."""
