"""The jobs that have been read and wait for the models, in the order of reading."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Iterator

from .jobs import Job


class JobQueue:
    """A queue from which one job is taken at a time, or several for a common pass.

    Several threads may take single jobs; only a lone taker may take `more`.
    """

    def __init__(self) -> None:
        self._jobs: queue.Queue[Job | None] = queue.Queue()
        # taken, and too much for that pass: they begin the next one
        self._put_off: deque[Job | None] = deque()

    def put(self, job: Job) -> None:
        """Add a job."""
        self._jobs.put(job)

    def end(self, takers: int) -> None:
        """Let each of the threads that take jobs find the end once there are no more."""
        for _ in range(takers):
            self._jobs.put(None)

    def take(self) -> Job | None:
        """The next job, waiting for it; None at the end."""
        return self._put_off.popleft() if self._put_off else self._jobs.get()

    def more(self, first: Job, limit_s: float) -> Iterator[Job]:
        """What else is there already for a common pass with `first`: up to so much sound in all."""
        seconds = first.seconds
        while seconds < limit_s:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is None or job.large or seconds + job.seconds > limit_s:
                self._put_off.append(job)  # the end is behind the last of all
                return
            seconds += job.seconds
            yield job

    def qsize(self) -> int:
        """How many jobs and ends are queued, but for those that were put off."""
        return self._jobs.qsize()
