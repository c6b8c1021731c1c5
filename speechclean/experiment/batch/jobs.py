"""A task on its way through a worker's threads, and the one entry that it ends with."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio

from .task import FAILED, Entry, Input, Task

#: How reasons of failures for want of memory read: Python's, oneDNN's, torch's on a CPU and on a
#: GPU.
MEMORY_WORDS = (
    "memoryerror",
    "could not create a primitive",
    "could not create a memory",
    "can't allocate memory",
    "out of memory",
    "outofmemoryerror",
    "cannot allocate memory",
)


@dataclass
class Job:
    """A task, what has been read of it, and the future that waits for its entry. `large`: it goes
    through the models alone.
    """

    task: Task
    future: Future[Entry] = field(default_factory=Future)
    started: float = field(default_factory=time.monotonic)
    input: Input | None = None
    sound: Audio | LongAudio | None = None
    reason: str = ""
    large: bool = False

    @property
    def seconds(self) -> float:
        """Length of the sound in memory; 0 where there is none."""
        return self.sound.seconds if isinstance(self.sound, Audio) else 0.0

    @property
    def weight(self) -> int:
        """Samples of all its channels; 0 where there is no sound."""
        return self.sound.samples * self.sound.channels if self.sound else 0

    def settle(self, entry: Entry) -> None:
        """Let the future have its entry, unless it has one."""
        self.sound = None
        with suppress(InvalidStateError):
            self.future.set_result(entry)


@dataclass(frozen=True)
class Signed:
    """Makes entries, signed with what a worker was told: `signature` of its config, `weights` of
    the models' files.
    """

    signature: str
    weights: str

    def entry(
        self,
        job: Job,
        status: str,
        reason: str,
        row: Mapping[str, Any],
        output: tuple[str | None, int | None] = (None, None),
        mark: Mapping[str, Any] | None = None,
    ) -> Entry:
        """What became of a job; `output` is the sha256 and the size of the cleaned file. A failure
        has a row of its own.
        """
        task = job.task
        if status == FAILED:
            reason = plain(reason, task.path)
            row = {"alias": task.alias, "path": task.path, "status": FAILED, "reason": reason}
        return Entry(
            task.alias, task.path, status, reason, task.output, self.signature, self.weights,
            job.input or Input(None, None, None), *output, round(time.monotonic() - job.started, 3),
            datetime.now(UTC).isoformat(timespec="seconds"), row, mark,
        )  # fmt: skip


def named(path: object, error: BaseException) -> str:
    """A reason that names the file and the error.

    >>> named("a.wav", ValueError("too loud"))
    'a.wav: ValueError: too loud'
    """
    return f"{path}: {type(error).__name__}: {error}"


def is_memory(reason: str) -> bool:
    """Whether a file failed for want of memory."""
    return any(word in reason.lower() for word in MEMORY_WORDS)


def plain(reason: str, path: str) -> str:
    """A reason in one line; want of memory in plain words."""
    line = " ".join(reason.split())
    return (
        f"{path}: not enough memory, even alone ({line.removeprefix(path + ': ')})"
        if is_memory(line)
        else line
    )
