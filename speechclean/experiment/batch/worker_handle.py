"""A worker in a process of its own, as its parent sees it.

So a crash, or the kernel's killing when memory runs out, costs a worker and not the batch.
"""

from __future__ import annotations

import dataclasses
import json
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

#: How much of a dead worker's log is told.
TOLD_CHARACTERS = 400


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


class Link(Protocol):
    """A worker as the dispatcher sees it; what it says arrives in a queue of events."""

    def send(self, task: Task) -> None:
        """Give it a file to clean."""

    def close(self) -> None:
        """Let it finish, and wait for it."""

    def kill(self) -> None:
        """End it now."""


class ProcessLink:
    """A worker process; its log is `worker-<number>.log` in the folder."""

    def __init__(
        self,
        number: int,
        setup: Setup,
        events: queue.Queue[Event],
        threads: int | None,
        environment: Mapping[str, str],
    ) -> None:
        self.number = number
        self._events = events
        self._log = setup.folder / worker_log(number)
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
        Thread(target=self._listen, name=f"worker-{number}", daemon=True).start()

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
            self._process.wait(60)
        self.kill()

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()
        with suppress(OSError):  # what was never sent is of no use any more
            self._process.stdin.close()  # type: ignore[union-attr]

    def _say(self, message: Mapping[str, Any]) -> None:
        with suppress(OSError):  # of its death the listener tells
            self._process.stdin.write(json.dumps(message).encode() + b"\n")  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with suppress(ValueError):  # torn by its death
                message = json.loads(line)
                entry = Entry.from_json(message["entry"]) if "entry" in message else None
                wrong, problem = message.get("wrong", ()), message.get("problem", "")
                self._events.put(Event(self.number, message.get("ready", 0), entry, wrong, problem))
        self._events.put(Event(self.number, dead=self._why(self._process.wait())))

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
