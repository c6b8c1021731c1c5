"""A worker in a process of its own, as its parent sees it.

So a crash, or the kernel's killing when memory runs out, costs a worker and not the batch.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

from speechclean.records.run_folder import worker_log

from .task import Entry, Task

log = logging.getLogger(__name__)

#: How much of a dead worker's log is told.
TOLD_CHARACTERS = 400
#: Seconds that a worker has for its end once nothing is left to do, and a killed one, which may
#: hang on a dead disk.
CLOSE_S, KILL_S = 60.0, 10.0


@dataclass(frozen=True)
class Setup:
    """What every worker is given: resolved config, output folder, and hashes for its entries."""

    config: Mapping[str, Any]
    folder: Path
    signature: str
    weights: str


@dataclass(frozen=True)
class Event:
    """A message of a worker, or its death.

    ready: how many files it takes at once
    entry: what became of a file
    alive: whether it has been at work since its last message of this kind
    wrong: what is wrong with its config or weights
    problem: what else keeps it from starting
    dead: how it died
    """

    worker: int
    ready: int = 0
    entry: Entry | None = None
    wrong: Sequence[str] = ()
    problem: str = ""
    dead: str = ""
    alive: bool = False


class Inbox:
    """Where one worker's events arrive, among those of all: what a dead one left behind is not
    taken for its successor's.
    """

    def __init__(self, common: queue.Queue[tuple[Inbox, Event]]) -> None:
        self._common = common

    def put(self, event: Event) -> None:
        """From whatever thread."""
        self._common.put((self, event))


class Link(Protocol):
    """A worker as the dispatcher sees it; what it says arrives in an inbox. Nothing here waits for
    ever, whatever it does.
    """

    def send(self, task: Task) -> None:
        """Give it a file to clean."""

    def close(self) -> None:
        """Let it finish, and wait for it a while."""

    def kill(self) -> None:
        """End it now."""


class ProcessLink:
    """A worker process; its log is `worker-<number>.log` in the folder."""

    def __init__(
        self,
        number: int,
        setup: Setup,
        events: Inbox,
        threads: int | None,
        environment: Mapping[str, str],
    ) -> None:
        self.number = number
        self._events = events
        self._log = setup.folder / worker_log(number)
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        with self._log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "speechclean.experiment.batch.worker_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,  # Ctrl-C is for the parent
            )
        told = dataclasses.asdict(setup) | {
            "folder": str(setup.folder),
            "threads": threads,
            "parent": os.getpid(),
        }
        self._say(told)
        for work in (self._listen, self._speak):
            Thread(target=work, name=f"worker-{number}", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def send(self, task: Task) -> None:
        """Give it a file to clean."""
        self._say({"task": dataclasses.asdict(task)})

    def close(self) -> None:
        """Let it finish, for a minute at most."""
        self._say({"end": True})
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_S)
        self.kill()

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self._outbox.put(None)
        try:
            self._process.wait(KILL_S)
        except subprocess.TimeoutExpired:
            log.warning(
                "worker %d: process %d does not end, killed or not; it is left behind",
                self.number,
                self.pid,
            )

    def _say(self, message: Mapping[str, Any]) -> None:
        self._outbox.put(json.dumps(message).encode() + b"\n")

    def _speak(self) -> None:
        """A worker that does not read fills its pipe; only this thread waits for it."""
        stdin = self._process.stdin
        assert stdin
        with suppress(OSError):  # of its death the listener tells
            while (line := self._outbox.get()) is not None:
                stdin.write(line)
                stdin.flush()
        with suppress(OSError):  # what was never sent is of no use any more
            stdin.close()

    def _listen(self) -> None:
        assert self._process.stdout
        try:
            for line in self._process.stdout:
                with suppress(ValueError):  # torn by its death
                    message = json.loads(line)
                    entry = Entry.from_json(message["entry"]) if "entry" in message else None
                    wrong, problem = message.get("wrong", ()), message.get("problem", "")
                    ready, alive = message.get("ready", 0), message.get("alive", False)
                    self._events.put(Event(self.number, ready, entry, wrong, problem, alive=alive))
            how = self._why(self._process.wait())
        except Exception as error:  # without this thread nobody would hear of it again
            log.exception("worker %d", self.number)
            how = f"what it said ({type(error).__name__}: {error})"
        self._events.put(Event(self.number, dead=how))

    def _why(self, status: int) -> str:
        """How it ended: a signal by its name, else the end of its log."""
        if status < 0:
            name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
            hint = (
                "; the kernel does that when memory runs out" if -status == signal.SIGKILL else ""
            )
            return f"ended by {name}{hint}"
        try:
            with self._log.open("rb") as file:
                file.seek(self._log_start)
                last = file.read().decode(errors="replace").strip()[-TOLD_CHARACTERS:]
        except OSError:
            last = ""
        return f"exit status {status}{': ' + last.splitlines()[-1] if last else ''}"
