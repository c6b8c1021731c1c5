"""A pool of workers, as the config group `batch` describes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass

from .plan import ONLY
from .worker_handle import Setup, StartWorker


@dataclass(frozen=True)
class OpenPool:
    """A pool that is ready: how many workers it has, and how one of them is started."""

    count: int
    start: StartWorker


@dataclass(frozen=True)
class WorkerPool(ABC):
    """Workers that clean a batch's files, and the batch's options, which every pool has.

    out: the batch's folder; the same folder continues the same batch
    only: `failed` does those again that failed; `all`
    force: everything anew
    workers: how many; None: one for each GPU, or for all cores
    interval_s: between two lines of progress where there is no terminal

    Raises `ValueError` for what no pool can do.
    """

    out: str
    only: str = "all"
    force: bool = False
    workers: int | None = None
    interval_s: float = 30.0

    def __post_init__(self) -> None:
        if self.only not in ONLY:
            raise ValueError(f"only={self.only!r} must be one of {', '.join(ONLY)}")
        if self.workers is not None and self.workers < 1:
            raise ValueError(
                f"workers={self.workers} must be 1 or more, or null for one for each GPU, or for "
                "all cores"
            )
        if self.interval_s <= 0:
            raise ValueError(f"interval_s={self.interval_s} must be above 0")

    def check(self) -> None:  # noqa: B027 (most pools have nothing to check)
        """Raise `MissingPackage` or `ConnectionError` if the pool cannot be opened here.

        Called before anything is written.
        """

    @abstractmethod
    def opened(self, setup: Setup) -> AbstractContextManager[OpenPool]:
        """The pool, ready for as long as the block lasts.

        Workers are started, and ended before the block's end, by the dispatcher alone.
        """
