"""batch=ray: actors of a Ray cluster, one for each GPU.

All of its machines must see the inputs and the output folder. Errors are caught in the worker, file
by file: to Ray a task fails only by the death of its actor, whose files the dispatcher then gives
to another.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from threading import Lock, Thread
from typing import Any

import torch

from . import WorkersLost
from .dispatch import dispatch
from .interrupt import Stop
from .local_executor import check_common
from .pulse import BEAT_S, Pulse
from .task import Entry, Task
from .worker_handle import Event, Inbox, Link, Setup

#: Calls that an actor takes at once: more than any worker's window.
CONCURRENCY = 256
#: Of the embedded cluster, in bytes: nothing but paths and lines goes through it.
OBJECT_STORE = 100 * 2**20
WAIT_S, CONNECT_S = 0.2, 5.0


@dataclass(frozen=True)
class RayActors:
    """The executor on Ray.

    address: of a running cluster, `ray://head:10001` or `auto`; None starts one in this machine,
        for the length of the batch
    workers: actors; None: one for each GPU of the cluster, or one for each of its machines
    out, only, force, interval_s: as in `LocalWorkers`
    """

    out: str
    only: str = "all"
    force: bool = False
    workers: int | None = None
    interval_s: float = 30.0
    address: str | None = None

    def __post_init__(self) -> None:
        check_common(self.only, self.workers, self.interval_s)

    def check(self) -> None:
        """Raise `ImportError` without Ray, `ConnectionError` if no cluster is at the address."""
        if importlib.util.find_spec("ray") is None:
            raise ImportError(
                "batch=ray: Ray is not installed; pip install -c constraints.txt '.[ray]', "
                "or use batch=local"
            )
        host, _, port = (self.address or "").rpartition("://")[2].rpartition(":")
        if host and port.isdigit():
            try:  # Ray itself would try for minutes
                socket.create_connection((host, int(port)), CONNECT_S).close()
            except OSError as error:
                raise ConnectionError(
                    f"batch.address={self.address}: nobody answers there ({error}); "
                    "start or name one"
                ) from error

    def entries(self, tasks: Sequence[Task], setup: Setup, stop: Stop) -> Iterator[Entry | None]:
        """See `dispatch`."""
        import ray

        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self.address:
            try:
                ray.init(self.address, **quiet)
            except Exception as error:  # by the way of connecting, Ray raises one thing or another
                raise WorkersLost(
                    f"batch.address={self.address}: Ray cannot connect "
                    f"({str(error).splitlines()[0]}); a cluster that asks for a token wants "
                    "RAY_AUTH_MODE=token here too"
                ) from error
        else:
            cpus = max(torch.get_num_threads(), self.workers or 1)
            ray.init(
                "local",
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE,
                **quiet,
            )
        try:
            resources = ray.cluster_resources()
            gpus = 0 if setup.config["device"] == "cpu" else int(resources.get("GPU", 0))
            count = self.workers or gpus or max(1, sum(bool(node["Alive"]) for node in ray.nodes()))
            share = max(1, int(resources.get("CPU", 1)) // count)
            options = {"num_gpus": 1, "num_cpus": 1} if gpus else {"num_cpus": share}

            def start(number: int, events: Inbox) -> Link:
                return ActorLink(number, setup, events, None if gpus else share, options)

            yield from dispatch(tasks, setup, start, count, stop)
        finally:
            ray.shutdown()


class Actor:
    """What runs in an actor."""

    def __init__(self, setup: Mapping[str, Any], threads: int | None) -> None:
        from speechclean.experiment.config.errors import ConfigError
        from speechclean.experiment.process import set_up_process

        from .worker import Worker

        set_up_process(threads)
        self._wrong: list[str] = []
        self._pulse = Pulse()
        try:
            self._worker = Worker(
                setup["config"], Path(setup["folder"]), setup["signature"], setup["weights"]
            )
        except ConfigError as error:  # Ray would wrap it in the actor's death
            self._wrong = list(error.problems)

    def window(self) -> int | list[str]:
        """How many files it takes, or what is wrong with its config."""
        return self._wrong or self._worker.window

    def alive(self) -> bool:
        """Whether it has been at work since it was last asked."""
        return self._pulse()

    def clean(self, task: Mapping[str, Any]) -> str:
        """Clean one file; its entry as JSON."""
        return self._worker.submit(Task(**task)).result().to_json()


class ActorLink:
    """An actor as the dispatcher sees it; one thread waits for all that it holds."""

    def __init__(
        self,
        number: int,
        setup: Setup,
        events: Inbox,
        threads: int | None,
        options: Mapping[str, Any],
    ) -> None:
        import ray

        self.number, self._events, self._ended = number, events, Flag()
        told = dataclasses.asdict(setup) | {"folder": str(setup.folder.absolute())}
        actor: Any = ray.remote(Actor)
        made = actor.options(
            max_concurrency=CONCURRENCY, max_restarts=0, max_task_retries=0, **options
        )
        self._actor = made.remote(told, threads)
        self._lock = Lock()
        self._refs: dict[Any, str] = {self._actor.window.remote(): "window"}
        self._next_look = time.monotonic() + BEAT_S
        Thread(target=self._listen, name=f"actor-{number}", daemon=True).start()

    def send(self, task: Task) -> None:
        """Give it a file to clean."""
        with self._lock:
            self._refs[self._actor.clean.remote(dataclasses.asdict(task))] = "entry"

    def close(self) -> None:
        """End it; it holds nothing."""
        self.kill()  # called when nothing is held

    def kill(self) -> None:
        """End it now."""
        import ray

        self._ended.set()
        ray.kill(self._actor)

    def _listen(self) -> None:
        import ray

        try:
            while not self._ended.is_set():
                self._hear()
        except ray.exceptions.RayActorError as error:
            self._tell_death(error)
        except Exception as error:  # the actor lives, but its own code failed: no file can do that
            self._tell(Event(self.number, problem=f"{type(error).__name__}: {error}"))

    def _hear(self) -> None:
        """Pass on what is said, if anything is said soon."""
        import ray

        with self._lock:
            if time.monotonic() >= self._next_look:
                self._look()
            refs = list(self._refs)
        if not refs:
            self._ended.wait(WAIT_S / 10)
            return
        done, _ = ray.wait(refs, num_returns=1, timeout=WAIT_S)
        for ref in done:
            with self._lock:
                kind = self._refs.pop(ref)
            answer = ray.get(ref)
            if isinstance(answer, list):
                self._tell(Event(self.number, wrong=answer))
            elif kind == "window":
                self._tell(Event(self.number, ready=answer))
            elif kind == "pulse":
                self._tell(Event(self.number, alive=answer))
            else:
                self._tell(Event(self.number, entry=Entry.from_json(answer)))

    def _look(self) -> None:
        """Ask for a sign of life, if no question is open. Before its start an actor waits for its
        turn in a busy cluster, hours
        maybe: Ray itself tells if it will never come.
        """
        self._next_look = time.monotonic() + BEAT_S
        kinds = set(self._refs.values())
        if "window" in kinds:
            self._tell(Event(self.number, alive=True))
        elif "pulse" not in kinds:
            self._refs[self._actor.alive.remote()] = "pulse"

    def _tell(self, event: Event) -> None:
        if not self._ended.is_set():
            self._events.put(event)

    def _tell_death(self, error: Exception) -> None:
        cause = str(error).strip().splitlines()
        if "creation task" in str(error) or "__init__" in str(error):
            self._tell(Event(self.number, problem=cause[-1]))
        else:
            self._tell(Event(self.number, dead=f"its actor's death ({cause[0]})"))
