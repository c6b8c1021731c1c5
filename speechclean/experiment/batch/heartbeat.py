"""Heartbeats: that a worker's process computes, not merely that it is there.

A worker whose threads wait for one another, or for a disk that never answers, uses no processor;
one that is slow does, however long its file and however busy its machine. So a worker sends a
heartbeat whenever it has used some.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds between two heartbeats.
HEARTBEAT_S = 10.0
#: The share of a core that counts as work; measuring it takes a thousandth of that.
BUSY = 0.005


class Heartbeat:
    """Whether this process has been at work.

    clock: seconds that passed; used: seconds of processor time of all its threads
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.process_time,
    ) -> None:
        self._clock, self._used = clock, used
        self._last = clock(), used()

    def __call__(self) -> bool:
        """Whether the process has been at work since the last call."""
        now = self._clock(), self._used()
        passed, used = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
        return used > BUSY * passed
