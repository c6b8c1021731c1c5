"""Put first on a process's path by `hunt`: threads and files change turns at odd moments.

With JITTER_SEED in the environment, the process and those it starts sleep at random before and
after the calls by which threads and processes wait for one another: mostly some milliseconds, now
and then half a second, as on a machine that is short of cores. Python's own changes between threads
come at another interval in each process.
"""

from __future__ import annotations

import fcntl
import functools
import os
import queue
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

#: How often one of these calls sleeps, and how often for long.
SHARE, LONG_SHARE = 0.02, 0.0003
#: Seconds: the mean of a short sleep, the longest of them, and a long one.
MEAN_S, MOST_S, LONG_S = 0.004, 0.05, 0.5
#: Between two changes of threads, as powers of ten of a second; Python's own is 5 ms.
INTERVAL = (-5.0, -2.0)


class _Jitter:
    def __init__(self, seed: str) -> None:
        self._seed, self._sleep = seed, time.sleep  # the real one, whatever a test makes of it
        self.begin()
        os.register_at_fork(after_in_child=self.begin)

    def begin(self) -> None:
        """Other moments in each process."""
        self._random = random.Random(f"{self._seed} {os.getpid()}")
        sys.setswitchinterval(10 ** self._random.uniform(*INTERVAL))

    def pause(self) -> None:
        chance = self._random.random()
        if chance < LONG_SHARE:
            self._sleep(LONG_S)
        elif chance < SHARE:
            self._sleep(min(MOST_S, self._random.expovariate(1 / MEAN_S)))

    def around(self, owner: object, name: str) -> None:
        """Let a function or method sleep before and after what it does."""
        call = getattr(owner, name)

        @functools.wraps(call)
        def paused(*args: Any, **kwargs: Any) -> Any:
            self.pause()
            try:
                return call(*args, **kwargs)
            finally:
                self.pause()

        setattr(owner, name, paused)

    def queue_type(self) -> type:
        """`queue.SimpleQueue`, whose own methods cannot be replaced."""

        class SimpleQueue(queue.SimpleQueue[Any]):
            pass

        for name in ("put", "get"):
            self.around(SimpleQueue, name)
        return SimpleQueue

    def lock_of(self, make: Callable[[], Any]) -> Callable[[], Any]:
        """`threading.Lock` or `RLock`, with pauses for the package's own modules alone.

        The interpreter needs its locks as they are.
        """

        def made() -> Any:
            asking = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001 (no other way)
            lock = make()
            return _Lock(lock, self.pause) if asking.startswith("speechclean") else lock

        return made


class _Lock:
    """A lock that pauses before it is taken and after it is given back."""

    def __init__(self, lock: Any, pause: Callable[[], None]) -> None:
        self._lock, self._pause = lock, pause

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        self._pause()
        taken: bool = self._lock.acquire(*args, **kwargs)
        return taken

    def release(self) -> None:
        self._lock.release()
        self._pause()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def __getattr__(self, name: str) -> object:
        return getattr(self._lock, name)


def _install(seed: str) -> None:
    jitter = _Jitter(seed)
    for owner, names in (
        (queue.Queue, ("put", "get")),
        (threading.Condition, ("__enter__", "__exit__", "wait", "notify")),
        (threading.Thread, ("start", "join")),
        (subprocess.Popen, ("__init__",)),
        (os, ("replace", "rename", "link", "unlink", "remove", "fsync")),
        (fcntl, ("flock", "lockf")),
    ):
        for name in names:
            jitter.around(owner, name)
    vars(queue)["SimpleQueue"] = jitter.queue_type()
    for name in ("Lock", "RLock"):
        vars(threading)[name] = jitter.lock_of(vars(threading)[name])


if "JITTER_SEED" in os.environ:
    _install(os.environ["JITTER_SEED"])
