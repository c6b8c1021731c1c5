"""What a run asks of a tracker, and the tracker that keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from speechclean.system.signals import signals_as_exit

from .run import Run


class Tracker(Protocol):
    """`check` while nothing may be written yet, `prepare` before any work, then `run` around it.

    outputs_mib: how much of the cleaned files is kept with a run, in all
    log_model: whether the pipeline is kept with a run, as a model that can be served
    """

    outputs_mib: int
    log_model: bool

    def check(self) -> None:
        """Raise `TrackingError` if the store can be seen to be unusable. Nothing is written."""

    def prepare(self) -> None:
        """Make or reach the store. Raises `TrackingError`."""

    def run(
        self, name: str, tags: Mapping[str, str] | None = None, continues: str | None = None
    ) -> AbstractContextManager[Run]:
        """Record a run for the length of a block; `continues` is the id of one that goes on."""


@dataclass
class NoRun:
    """Takes everything and keeps nothing."""

    id: str | None = None
    pages = ""

    def params(self, values: Mapping[str, object]) -> None:
        """Forget it."""

    def tags(self, values: Mapping[str, str]) -> None:
        """Forget it."""

    def metrics(self, values: Mapping[str, float | None], step: int | None = None) -> None:
        """Forget it."""

    def dataset(self, name: str, digest: str, source: str, profile: str) -> None:
        """Forget it."""

    def file(self, path: Path, folder: str = "") -> None:
        """Forget it."""

    def folder(self, path: Path, folder: str = "") -> None:
        """Forget it."""


@dataclass(frozen=True)
class NoTracker:
    """Keeps nothing: for throw-away runs, where the files in the output folder are enough."""

    outputs_mib: int = field(default=0, init=False)
    log_model: bool = field(default=False, init=False)

    def check(self) -> None:
        """Always ready."""

    def prepare(self) -> None:
        """Nothing to make."""

    @contextmanager
    def run(
        self,
        name: str,  # noqa: ARG002 - the protocol's
        tags: Mapping[str, str] | None = None,  # noqa: ARG002
        continues: str | None = None,  # noqa: ARG002
    ) -> Iterator[Run]:
        """A run that is not recorded.

        SIGTERM still unwinds it, so that no half-written files stay.
        """
        with signals_as_exit():
            yield NoRun()
