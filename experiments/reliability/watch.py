"""A process and all below it, watched from outside."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from threading import Event, Thread

import numpy as np
import psutil


class Watch:
    """Memory of a process and its descendants over time.

    The sum of proportional set sizes, so that what they share is counted once.
    """

    def __init__(self, pid: int) -> None:
        self.seen: list[tuple[float, int]] = []
        self._ended, self._process = Event(), psutil.Process(pid)
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        start = time.monotonic()
        while not self._ended.wait(1.0):
            total = 0
            try:
                for one in [self._process, *self._process.children(recursive=True)]:
                    total += one.memory_full_info().pss
            except psutil.Error:
                continue
            self.seen.append((time.monotonic() - start, total))

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def peak(self) -> int:
        return max(total for _, total in self.seen)

    def growth(self) -> float:
        """Memory in the last fifth of the time over that in the second fifth.

        1 is flat; in the first fifth the process loads and warms up.
        """
        fifth = max(1, len(self.seen) // 5)
        early, late = self.seen[fifth : 2 * fifth], self.seen[-fifth:]
        return float(
            np.median([total for _, total in late]) / np.median([total for _, total in early])
        )


def watched(
    line: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[int, float, Watch]:
    """A command to its end, silent and watched: its exit status, its seconds, what was seen."""
    start = time.monotonic()
    process = subprocess.Popen(
        line, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL
    )
    watch = Watch(process.pid)
    status = process.wait()
    seconds = time.monotonic() - start
    watch.end()
    return status, seconds, watch
