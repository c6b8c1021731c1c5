"""batch=ray: actors of a Ray cluster, one for each GPU.

All of its machines must see the inputs and the output folder. Errors are caught in the worker, file
by file: to Ray a task fails only by the death of its actor, whose files the dispatcher then retries
with another.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from threading import Lock, Thread
from typing import Any

import torch

from speechclean.system.extras import require

from .heartbeat import HEARTBEAT_S, Heartbeat
from .ray_connection import check_answers, connect
from .task import Entry, Task
from .worker_handle import Event, Inbox, Setup, WorkerHandle
from .worker_pool import OpenPool, WorkerPool

#: Calls that an actor takes at once: more than any worker's window.
CONCURRENCY = 256
WAIT_S = 0.2


@dataclass(frozen=True)
class RayActors(WorkerPool):
    """Actors of a Ray cluster.

    address: of a running cluster, `ray://head:10001` or `auto`; None starts one in this machine,
        for the length of the batch
    workers: actors; None: one for each GPU of the cluster, or one for each of its machines
    """

    address: str | None = None

    def check(self) -> None:
        """Raise `MissingPackage` without Ray, `ConnectionError` if no cluster is at the address."""
        require("batch=ray", "ray", otherwise="use batch=local")
        if self.address:
            check_answers(self.address)

    @contextmanager
    def opened(self, setup: Setup) -> Iterator[OpenPool]:
        """The pool, while this process is connected to the cluster.

        Raises `WorkersLost` if Ray cannot connect.
        """
        import ray

        connect(self.address, max(torch.get_num_threads(), self.workers or 1))
        try:
            resources = ray.cluster_resources()
            gpus = 0 if setup.config["device"] == "cpu" else int(resources.get("GPU", 0))
            count = self.workers or gpus or max(1, sum(bool(node["Alive"]) for node in ray.nodes()))
            share = max(1, int(resources.get("CPU", 1)) // count)
            options = {"num_gpus": 1, "num_cpus": 1} if gpus else {"num_cpus": share}

            def start(number: int, events: Inbox) -> WorkerHandle:
                return ActorHandle(number, setup, events, None if gpus else share, options)

            yield OpenPool(count, start)
        finally:
            ray.shutdown()


class Actor:
    """What runs in an actor."""

    def __init__(self, setup: Mapping[str, Any], threads: int | None) -> None:
        from speechclean.experiment.config.errors import ConfigError
        from speechclean.experiment.process import set_up_process

        from .worker import Worker

        set_up_process(threads)
        self._problems: list[str] = []
        self._heartbeat = Heartbeat()
        try:
            self._worker = Worker(
                setup["config"], Path(setup["folder"]), setup["signature"], setup["weights"]
            )
        except ConfigError as error:  # Ray would wrap it in the actor's death
            self._problems = list(error.problems)

    def window(self) -> int | list[str]:
        """How many files it takes, or what is wrong with its config."""
        return self._problems or self._worker.window

    def alive(self) -> bool:
        """Whether it has been at work since it was last asked."""
        return self._heartbeat()

    def clean(self, task: Mapping[str, Any]) -> str:
        """Clean one file; its entry as JSON."""
        return self._worker.submit(Task(**task)).result().to_json()


class ActorHandle:
    """An actor as the dispatcher sees it; one thread waits for all of its answers."""

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
        settings = dataclasses.asdict(setup) | {"folder": str(setup.folder.absolute())}
        actor: Any = ray.remote(Actor)
        made = actor.options(
            max_concurrency=CONCURRENCY, max_restarts=0, max_task_retries=0, **options
        )
        self._actor = made.remote(settings, threads)
        self._lock = Lock()
        self._refs: dict[Any, str] = {self._actor.window.remote(): "window"}
        self._next_heartbeat = time.monotonic() + HEARTBEAT_S
        Thread(target=self._receive_all, name=f"actor-{number}", daemon=True).start()

    def send(self, task: Task) -> None:
        """Give it a file to clean."""
        with self._lock:
            self._refs[self._actor.clean.remote(dataclasses.asdict(task))] = "entry"

    def close(self) -> None:
        """End the actor, which has nothing in flight."""
        self.kill()

    def kill(self) -> None:
        """End the actor now."""
        import ray

        self._ended.set()
        ray.kill(self._actor)

    def _receive_all(self) -> None:
        """Turn answers into events until the actor's end."""
        import ray

        try:
            while not self._ended.is_set():
                self._receive()
        except ray.exceptions.RayActorError as error:
            self._put_death(error)
        except Exception as error:  # noqa: BLE001 (code of the actor itself: no file can do that)
            self._put(Event(self.number, start_problem=f"{type(error).__name__}: {error}"))

    def _receive(self) -> None:
        """Turn an answer into an event, if one comes soon."""
        import ray

        with self._lock:
            if time.monotonic() >= self._next_heartbeat:
                self._ask_for_heartbeat()
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
                self._put(Event(self.number, config_problems=answer))
            elif kind == "window":
                self._put(Event(self.number, ready=answer))
            elif kind == "heartbeat":
                self._put(Event(self.number, alive=answer))
            else:
                self._put(Event(self.number, entry=Entry.from_json(answer)))

    def _ask_for_heartbeat(self) -> None:
        """Ask the actor whether it is at work, unless an answer is still awaited.

        An actor that has not started waits for its turn in a busy cluster, for hours maybe, which
        counts as a heartbeat: Ray itself reports an actor that can never start.
        """
        self._next_heartbeat = time.monotonic() + HEARTBEAT_S
        kinds = set(self._refs.values())
        if "window" in kinds:
            self._put(Event(self.number, alive=True))
        elif "heartbeat" not in kinds:
            self._refs[self._actor.alive.remote()] = "heartbeat"

    def _put(self, event: Event) -> None:
        if not self._ended.is_set():
            self._events.put(event)

    def _put_death(self, error: Exception) -> None:
        cause = str(error).strip().splitlines()
        if "creation task" in str(error) or "__init__" in str(error):
            self._put(Event(self.number, start_problem=cause[-1]))
        else:
            self._put(Event(self.number, death=f"its actor's death ({cause[0]})"))
