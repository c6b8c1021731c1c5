"""Leases on trials: who works on a trial, and whether that worker still lives.

A trial that is RUNNING names the leases under which it was claimed and is run. Where the storage is
a file, everybody who works on the study sees its folder; a lease is a lock on a file there, which
the kernel gives up when the worker ends, whatever ended it. Where the storage is a server, a worker
renews its lease by writing the time into the trial, and a lease that was not renewed for long is
stale.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechclean.system.liveness import alive, claim_if_dead, is_lock_name, new_lock_name

#: Attributes of a trial: the leases of whoever claimed it and of whoever runs it; when they were
#: last renewed, in s since 1970.
CLAIMED_BY, RUN_BY, RENEWED = "claimed_by", "run_by", "seen"
#: Folder of the leases beside a storage that is a file.
FOLDER = ".alive"
#: Seconds between two renewals.
HEARTBEAT_S = 15.0


@dataclass(frozen=True)
class Leases:
    """Leases as locks in `folder`; where it is None, as times that are renewed.

    stale_s: seconds after which a lease that was not renewed is stale.
    """

    folder: Path | None
    stale_s: float

    @contextmanager
    def hold(self) -> Iterator[str]:
        """A new lease, by its name; it ends with the block, or with the process."""
        name = new_lock_name()
        if self.folder is None:
            yield name
            return
        path = self.folder / name
        with alive(path):
            yield name
        path.unlink(missing_ok=True)

    def is_orphaned(self, trial: Any) -> bool:
        """Whether nobody works on a RUNNING trial any more: all of its leases are stale."""
        if self.folder is None:
            renewed = trial.user_attrs.get(RENEWED)
            last = renewed if isinstance(renewed, int | float) else 0.0
            return time.time() - last > self.stale_s
        names = [trial.user_attrs.get(key) for key in (CLAIMED_BY, RUN_BY)]
        # Whoever can write into the storage can write any name there; only those of leases count.
        return all(_is_stale(self.folder / name) for name in names if is_lock_name(name))

    @contextmanager
    def renewed(self, trials: list[Any]) -> Iterator[None]:
        """Renew the leases on these trials (`optuna.trial.Trial`) for the length of the block."""
        if self.folder is not None:  # a lock needs no renewal
            yield
            return
        done = threading.Event()

        def heartbeat() -> None:
            while True:
                for trial in trials:
                    # The trial has ended, or the server is away for a moment: the next beat tells.
                    with suppress(Exception):
                        trial.set_user_attr(RENEWED, time.time())
                if done.wait(HEARTBEAT_S):
                    return

        thread = threading.Thread(target=heartbeat, name="lease heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(HEARTBEAT_S)  # a renewal may wait for a server that never answers


def _is_stale(lock: Path) -> bool:
    """Whether the holder of a lease has ended, in good order (no file) or not."""
    if not lock.is_file():
        return True
    with claim_if_dead(lock) as gone:
        return gone
