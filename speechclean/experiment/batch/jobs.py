"""A task on its way through a worker's threads, and the one entry that it ends with."""

from __future__ import annotations

import time
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field

from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio

from .task import Entry, Input, Task


@dataclass
class Job:
    """A task, what has been read of it, and the future of its entry.

    started: by the monotonic clock; input, sound: None until they are read
    reason: why there is no sound
    large: whether the models take nothing beside it
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


def named(path: object, error: BaseException) -> str:
    """A reason that names the file and the error.

    >>> named("a.wav", ValueError("too loud"))
    'a.wav: ValueError: too loud'
    """
    return f"{path}: {type(error).__name__}: {error}"
