"""How far a batch is, how fast it goes and when it will end.

A live line in a terminal, a plain line now and then elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from .task import Entry


@dataclass
class Pace:
    """Counts of a batch: files and seconds of sound, in all and `kept` from before.

    The speed is that of this session, by a monotonic clock.
    """

    files: int
    seconds: float
    kept: int = 0
    kept_seconds: float = 0.0
    failed: int = 0
    clock: Callable[[], float] = time.monotonic
    _done: int = 0
    _done_seconds: float = 0.0
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def add(self, entry: Entry, seconds: float) -> None:
        """Count a file that came to its end, of so many planned `seconds` of sound.

        Time counts from the beginning of the first one: until then, workers only start.
        """
        if not self._done:
            self._began = max(self._began, self.clock() - entry.took_s)
        self._done += 1
        self._done_seconds += seconds
        self.failed += entry.result.failed

    @property
    def speed(self) -> float:
        """Seconds of sound per second."""
        return self._done_seconds / max(self.clock() - self._began, 1e-9)

    @property
    def left_s(self) -> float | None:
        """Seconds until the end at the speed so far; None while there is none."""
        passed = self.clock() - self._began
        left = self.seconds - self.kept_seconds - self._done_seconds
        if self._done_seconds > 0:
            return left * passed / self._done_seconds
        return (self.files - self.kept - self._done) * passed / self._done if self._done else None

    @property
    def share(self) -> float:
        """How much is done, 0 to 1, of the sound, or of the files if its length is unknown."""
        if self.seconds > 0:
            return (self.kept_seconds + self._done_seconds) / self.seconds
        return (self.kept + self._done) / max(self.files, 1)

    def line(self) -> str:
        """`12 of 90 files, 1.4 of 9.2 h of sound, 26 × real time, 22 min left, 3 failed`."""
        hours = (self.kept_seconds + self._done_seconds) / 3600, self.seconds / 3600
        left = "" if self.left_s is None else f", {_spoken(self.left_s)} left"
        return (
            f"{self.kept + self._done:,} of {self.files:,} files, "
            f"{hours[0]:.2f} of {hours[1]:.2f} h of sound, "
            f"{self.speed:.1f} × real time{left}, {self.failed} failed"
        )


def planning(files: int, console: Console, every_s: float = 5.0) -> Callable[[int], None]:
    """Says how many of `files` were looked at, where planning takes longer than a moment."""
    last = time.monotonic()

    def looked_at(count: int) -> None:
        nonlocal last
        if time.monotonic() - last >= every_s:
            last = time.monotonic()
            print(f"planning: {count:,} of {files:,} files", file=console.file, flush=True)

    return looked_at


@contextmanager
def shown(pace: Pace, console: Console, interval_s: float) -> Iterator[Callable[[], None]]:
    """Show progress; yields a function to be called often."""
    if console.is_terminal:
        with Progress(
            BarColumn(20), TextColumn("{task.description}", markup=False), console=console
        ) as bar:
            line = bar.add_task(pace.line(), total=1.0)
            yield lambda: bar.update(line, completed=pace.share, description=pace.line())
        return
    last = pace.clock()

    def tick() -> None:
        nonlocal last
        if pace.clock() - last >= interval_s:
            last = pace.clock()
            print(pace.line(), file=console.file, flush=True)

    yield tick


def _spoken(seconds: float) -> str:
    """A duration for people.

    >>> _spoken(42), _spoken(1300), _spoken(9000)
    ('42 s', '22 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
