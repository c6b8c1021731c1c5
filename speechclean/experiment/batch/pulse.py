"""Signs of life: that a worker's process computes, not merely that it is there.

A worker whose threads wait for one another, or for a disk that never answers, uses no processor;
one that is slow does, however long its file and however busy its machine. So a worker says that it
lives whenever it has used some.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds between two looks, and the share of a core that counts as work: a look itself takes a
#: thousandth of that.
BEAT_S, BUSY = 10.0, 0.005


class Pulse:
    """Whether this process has been at work; `clock` and `used` are seconds that passed and seconds
    of all its threads.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.process_time,
    ) -> None:
        self._clock, self._used = clock, used
        self._last = clock(), used()

    def __call__(self) -> bool:
        """Whether it has since the last call."""
        now = self._clock(), self._used()
        passed, used = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
        return used > BUSY * passed
