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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

from speechclean.records.run_folder import worker_log

from .task import Entry, Task

log = logging.getLogger(__name__)

#: How much of the end of a dead worker's log is searched for its last line, in characters.
LOG_TAIL = 400
#: Seconds that a worker has to end once nothing is left to do.
CLOSE_S = 60.0
#: Seconds that a killed one has: it may hang on a dead disk.
KILL_S = 10.0


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
    config_problems: what is wrong with its config or weights
    start_problem: what else keeps it from starting
    death: how it died
    alive: a heartbeat: whether it has been at work since the one before
    """

    worker: int
    ready: int = 0
    entry: Entry | None = None
    config_problems: Sequence[str] = ()
    start_problem: str = ""
    death: str = ""
    alive: bool = False


class Inbox:
    """Where one worker's events arrive, in a queue that all workers share.

    A worker and its successor have different inboxes, so that events of the one are not taken for
    the other's.
    """

    def __init__(self, shared: queue.Queue[tuple[Inbox, Event]]) -> None:
        self._shared = shared

    def put(self, event: Event) -> None:
        """Add an event; any thread may."""
        self._shared.put((self, event))


class WorkerHandle(Protocol):
    """A worker as the dispatcher sees it.

    The worker's events go to the inbox that it was started with. No method waits forever, whatever
    the worker does.
    """

    def send(self, task: Task) -> None:
        """Give it a file to clean."""

    def close(self) -> None:
        """Let the worker finish, and wait for it a while."""

    def kill(self) -> None:
        """End the worker now."""


#: Starts the worker of a number (0 and up); its events go to the inbox.
StartWorker = Callable[[int, Inbox], WorkerHandle]


class ProcessHandle:
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
        first_message = dataclasses.asdict(setup) | {
            "folder": str(setup.folder),
            "threads": threads,
            "parent": os.getpid(),
        }
        self._send(first_message)
        for work in (self._receive_all, self._send_all):
            Thread(target=work, name=f"worker-{number}", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def send(self, task: Task) -> None:
        """Give it a file to clean."""
        self._send({"task": dataclasses.asdict(task)})

    def close(self) -> None:
        """Let it finish, for a minute at most."""
        self._send({"end": True})
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

    def _send(self, message: Mapping[str, Any]) -> None:
        self._outbox.put(json.dumps(message).encode() + b"\n")

    def _send_all(self) -> None:
        """Send from a thread of its own: a worker that does not read fills its pipe."""
        stdin = self._process.stdin
        assert stdin
        with suppress(OSError):  # its death is for the receiving thread to report
            while (line := self._outbox.get()) is not None:
                stdin.write(line)
                stdin.flush()
        with suppress(OSError):  # what could not be sent is of no use any more
            stdin.close()

    def _receive_all(self) -> None:
        """Turn messages into events until the worker's end, which is the last event."""
        assert self._process.stdout
        try:
            for line in self._process.stdout:
                with suppress(ValueError):  # torn by its death
                    message = json.loads(line)
                    entry = Entry.from_json(message["entry"]) if "entry" in message else None
                    event = Event(
                        self.number,
                        message.get("ready", 0),
                        entry,
                        message.get("config_problems", ()),
                        message.get("start_problem", ""),
                        alive=message.get("alive", False),
                    )
                    self._events.put(event)
            how = self._death(self._process.wait())
        except Exception as error:  # without this thread nobody would hear of the worker again
            log.exception("worker %d", self.number)
            how = f"what it said ({type(error).__name__}: {error})"
        self._events.put(Event(self.number, death=how))

    def _death(self, status: int) -> str:
        """How the worker ended: a signal by its name, else the end of its log."""
        if status < 0:
            name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
            hint = (
                "; the kernel does that when memory runs out" if -status == signal.SIGKILL else ""
            )
            return f"ended by {name}{hint}"
        try:
            with self._log.open("rb") as file:
                file.seek(self._log_start)
                last = file.read().decode(errors="replace").strip()[-LOG_TAIL:]
        except OSError:
            last = ""
        return f"exit status {status}{': ' + last.splitlines()[-1] if last else ''}"
