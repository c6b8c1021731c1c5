"""One process at a time in an output folder."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from speechclean.records.run_folder import LOCK, OWNER
from speechclean.system.atomic_files import json_object

from . import Occupied

#: How long, in seconds, a lock is waited for whose owner has died: the kernel takes a moment to
#: close the files of a killed process.
DEAD_OWNER_S = 10.0
#: And one whose owner lives.
LIVING_OWNER_S = 2.0


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder for the length of the block. Raises `Occupied`, with who is at work there."""
    folder.mkdir(parents=True, exist_ok=True)
    lock, owner = FileLock(folder / LOCK), folder / OWNER
    began = time.monotonic()
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except Timeout:
            who = json_object(owner)
            if time.monotonic() - began > (LIVING_OWNER_S if _lives(who) else DEAD_OWNER_S):
                raise Occupied(
                    f"{folder}: another process is at work there{_shown(who)}. Wait for its end, "
                    "or give this one a folder of its own with batch.out=..."
                ) from None
            time.sleep(0.1)
    try:
        owner.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        yield
    finally:
        with suppress(OSError):
            owner.unlink(missing_ok=True)
        lock.release()


def _lives(who: dict[str, Any]) -> bool:
    """Whether the owner is alive; one on another machine counts as alive."""
    if not who:
        return False
    if who.get("host") != socket.gethostname():
        return True
    try:
        os.kill(int(who["pid"]), 0)
    except (ProcessLookupError, ValueError, KeyError):
        return False
    except PermissionError:
        return True
    return True


def _shown(who: dict[str, Any]) -> str:
    return f" (process {who['pid']} on {who['host']})" if {"pid", "host"} <= who.keys() else ""
