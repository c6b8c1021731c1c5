"""Whether a process is alive: a lock on a file says so.

The kernel releases a lock when its process ends, whatever ended it (kill -9 and a power cut too).
So a lock that can be acquired proves that its holder is gone; host names, process ids and start
times would have to be guessed right across reboots, reused ids and containers.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeGuard

from filelock import FileLock, Timeout


def new_lock_name() -> str:
    """A name for a lock that nobody else has."""
    return uuid.uuid4().hex


def is_lock_name(name: object) -> TypeGuard[str]:
    """Whether a name, of whatever origin, has the one form that locks are given here.

    What a store or a study says is not trusted: of any other form it may lead to any file.

    >>> is_lock_name(new_lock_name()), is_lock_name("../../thesis.txt"), is_lock_name(None)
    (True, False, False)
    """
    return isinstance(name, str) and re.fullmatch(r"[0-9a-f]{32}", name) is not None


@contextmanager
def alive(path: Path) -> Iterator[None]:
    """Hold the lock at `path` for the length of the block.

    The file stays. Whoever has recorded how the process ended removes it, so that an end that
    could not be recorded is found later.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


@contextmanager
def claim_if_dead(path: Path) -> Iterator[bool]:
    """True in the block if the process that held the lock at `path` is gone.

    False while it is alive, while another process has claimed it, and where there is no such lock.
    Where it is True, the file is removed when the block succeeds.
    """
    lock = FileLock(path)
    try:
        if _is_lock(path):
            with suppress(Timeout, OSError):
                lock.acquire(blocking=False)
        yield lock.is_locked
        if lock.is_locked:
            path.unlink(missing_ok=True)
    finally:
        lock.release()


def _is_lock(path: Path) -> bool:
    """Whether there is a lock: an empty file of its own. Locking truncates, also through a link."""
    return path.is_file() and not path.is_symlink() and not path.stat().st_size
