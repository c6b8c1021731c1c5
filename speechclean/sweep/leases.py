"""Who holds a trial, and whether they live.

Where the storage is a file, everybody who works on the study sees its folder, and a lock on a file
there is held as long as its
process lives: who can take it has proof of death (`alive`). Where it is a server, owners write the
time into the trial.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechclean.system.liveness import alive, claim_if_dead

#: Attributes of a trial: the names of the locks of who claimed and who runs it; the last sign of
#: life, in s since 1970.
CLAIMED_BY, RUN_BY, SEEN = "claimed_by", "run_by", "seen"
#: Seconds between signs of life.
PULSE_S = 15.0


@dataclass(frozen=True)
class Owners:
    """Locks in `folder`, or signs of life where it is None; after `stale_s` seconds without one an
    owner is dead.
    """

    folder: Path | None
    stale_s: float

    @contextmanager
    def owner(self) -> Iterator[str]:
        """A name that lives as long as the block, and is told dead when its process is."""
        name = uuid.uuid4().hex
        if self.folder is None:
            yield name
            return
        path = self.folder / name
        with alive(path):
            yield name
        path.unlink(missing_ok=True)

    def dead(self, trial: Any) -> bool:
        """Whether nobody works on a RUNNING trial any more."""
        if self.folder is None:
            return time.time() - float(trial.user_attrs.get(SEEN, 0.0)) > self.stale_s
        names = [trial.user_attrs.get(key) for key in (CLAIMED_BY, RUN_BY)]
        return all(self._gone(str(name)) for name in names if name)

    def _gone(self, name: str) -> bool:
        assert self.folder is not None
        path = self.folder / name
        if not path.is_file():
            return True  # it ended in good order, and left this trial behind
        with claim_if_dead(path) as gone:
            return gone

    @contextmanager
    def pulse(self, trials: list[Any]) -> Iterator[None]:
        """Signs of life of these trials (`optuna.trial.Trial`) for the length of the block."""
        if self.folder is not None:
            yield
            return
        done = threading.Event()

        def beat() -> None:
            while True:
                for trial in trials:
                    # it has ended, or the server takes a rest: the next beat tells
                    with suppress(Exception):
                        trial.set_user_attr(SEEN, time.time())
                if done.wait(PULSE_S):
                    return

        thread = threading.Thread(target=beat, name="pulse", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(PULSE_S)  # a beat may wait for a server that never answers
