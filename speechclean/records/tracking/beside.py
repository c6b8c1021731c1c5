"""Calls made one after another in a thread beside the work, and how long one of them may take."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

#: Seconds that a call may take before its store counts as lost, and bytes of a file that a second
#: more is given for.
PATIENCE_S, SLOWEST = 60.0, 1_000_000
#: So many calls may wait. A store that is slower than the work holds it up then, and what an
#: interruption has to wait for stays short.
WAITING = 100


@dataclass(frozen=True)
class Call:
    """Something to be done, and the seconds that it may take."""

    make: Callable[[], object]
    patience_s: float


class Beside:
    """Makes calls in their order in a thread of its own.

    Nothing here waits, and no lock is held while a call is made: an exception that a signal raises
    in the caller leaves it as it was. Only one thread may call `put` at a time.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None
        self._calls: deque[Call] = deque()
        self._signs: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._began, self._stopped = time.monotonic(), False
        threading.Thread(target=self._work, name="tracking", daemon=True).start()

    @property
    def idle(self) -> bool:
        """Whether all calls have been made."""
        return not self._calls

    @property
    def has_room(self) -> bool:
        """Whether another call may be put in."""
        return len(self._calls) < WAITING

    def put(self, call: Call) -> None:
        """Let a call be made after those that wait."""
        if not self._calls:
            self._began = time.monotonic()
        self._calls.append(call)
        self._signs.put(True)

    def failure(self) -> Exception | None:
        """What a call raised, or that one takes too long; None while all is well."""
        if self.error is not None:
            return self.error
        try:
            patience_s = self._calls[0].patience_s
        except IndexError:
            return None
        if time.monotonic() - self._began > patience_s:
            return TimeoutError(f"no answer within {patience_s:.0f} s")
        return None

    def stop(self) -> list[Call]:
        """Make no more calls; those that were not, or not known to be, made."""
        self._stopped = True
        self._signs.put(False)
        return list(self._calls)

    def _work(self) -> None:
        while self._signs.get() and not self._stopped:
            try:
                self._calls[0].make()
            except Exception as error:  # noqa: BLE001 - a store's drivers raise what they like
                self.error = error
                return
            self._began = time.monotonic()  # of the next one, before it is seen to be the first
            self._calls.popleft()
