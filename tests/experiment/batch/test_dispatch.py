"""Workers come and go; every task ends once, with an entry."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from speechclean.experiment.batch import WorkersLost
from speechclean.experiment.batch.dispatch import DEATHS, LOST_AT_START, LOST_AT_WORK, dispatch
from speechclean.experiment.batch.interrupt import Stop, on_interrupt
from speechclean.experiment.batch.shared_lock import SharedLock
from speechclean.experiment.batch.task import Entry, Task
from speechclean.experiment.batch.worker_handle import Event, Setup
from speechclean.experiment.config.schema import ConfigError
from speechclean.records.file_result import Status
from tests.experiment.batch.conftest import entry

SETUP = Setup({}, Path("out"), "s", "w")
TASKS = [
    Task(name, f"/in/{name}.wav", f"cleaned/{name}.wav", seconds=1.0, weight=24000)
    for name in "abcdefgh"
]


class Scripted:
    """A worker that finishes what it is given, or dies of it."""

    def __init__(
        self,
        number: int,
        events: queue.Queue[Event],
        kills: Callable[[Task], bool],
        log: list[tuple[int, Task]],
    ) -> None:
        self.number, self.events, self.kills = number, events, kills
        self.log, self.gone = log, False
        self.holds: list[Task] = []
        events.put(Event(number, ready=3))

    def send(self, task: Task) -> None:
        self.log.append((self.number, task))
        if self.gone:
            return
        if self.kills(task):
            self.gone = True
            self.events.put(Event(self.number, dead="ended by SIGKILL"))
        else:
            self.events.put(Event(self.number, entry=entry(task.alias)))

    def close(self) -> None: ...

    def kill(self) -> None: ...


def ended(
    kills: Callable[[Task], bool], workers: int = 2, stop: Stop | None = None
) -> tuple[list[Entry], list[tuple[int, Task]]]:
    log: list[tuple[int, Task]] = []
    found = dispatch(
        TASKS,
        SETUP,
        lambda number, events: Scripted(number, events, kills, log),
        workers,
        stop or Stop(),
    )
    return [one for one in found if one], log


def test_every_task_ends_once() -> None:
    entries, _ = ended(lambda _: False)
    assert Counter(one.alias for one in entries) == Counter("abcdefgh")


def test_what_a_dead_worker_held_goes_to_another_alone() -> None:
    deaths = iter([True])
    entries, log = ended(lambda task: task.alias == "c" and next(deaths, False))
    assert Counter(one.alias for one in entries) == Counter("abcdefgh")
    assert {one.result.status for one in entries} == {Status.CLEANED}
    assert any(task.alone for _, task in log)


def test_a_file_that_kills_every_worker_is_named_and_the_rest_finished() -> None:
    entries, log = ended(lambda task: task.alias == "d")
    assert Counter(one.alias for one in entries) == Counter("abcdefgh")
    (bad,) = [one for one in entries if one.result.failed]
    assert bad.alias == "d"
    assert "SIGKILL" in bad.result.reason
    assert sum(task.alone and task.alias == "d" for _, task in log) == DEATHS


def test_workers_that_cannot_live_are_no_files_fault() -> None:
    with pytest.raises(WorkersLost, match=f"{LOST_AT_WORK} workers in a row"):
        ended(lambda _: True, workers=1)

    class Stillborn(Scripted):
        def __init__(self, number: int, events: queue.Queue[Event]) -> None:
            events.put(Event(number, dead="exit status 1"))

    with pytest.raises(WorkersLost, match=f"{LOST_AT_START} workers in a row"):
        list(dispatch(TASKS, SETUP, Stillborn, 1, Stop()))


def test_several_files_that_kill_workers_are_all_named() -> None:
    entries, _ = ended(lambda task: task.alias in "adfgh", workers=1)
    assert Counter(one.alias for one in entries) == Counter("abcdefgh")
    assert {one.alias for one in entries if one.result.failed} == set("adfgh")


def test_a_config_that_a_worker_finds_wrong_is_the_configs_problem() -> None:
    class Wrong(Scripted):
        def __init__(self, number: int, events: queue.Queue[Event]) -> None:
            self.number = number
            events.put(Event(number, wrong=["separators.a: no checkpoint"]))

    with pytest.raises(ConfigError, match=r"separators\.a: no checkpoint"):
        list(dispatch(TASKS, SETUP, Wrong, 2, Stop()))


def test_a_worker_with_a_problem_ends_the_batch_by_its_words() -> None:
    class Broken(Scripted):
        def __init__(self, number: int, events: queue.Queue[Event]) -> None:
            events.put(Event(number, problem="ConfigError: no such weights"))

    with pytest.raises(WorkersLost, match="no such weights"):
        list(dispatch(TASKS, SETUP, Broken, 1, Stop()))


def test_a_stop_finishes_what_is_at_work_and_begins_nothing() -> None:
    stop, log = Stop(), list[tuple[int, Task]]()
    found = []
    for one in dispatch(
        TASKS, SETUP, lambda n, events: Scripted(n, events, lambda _: False, log), 1, stop
    ):
        if one:
            found.append(one.alias)
            stop.asked = True
    assert sorted(found) == sorted(task.alias for _, task in log), "all that was begun"
    assert len(found) < len(TASKS)


def test_a_gate_lets_many_share_and_one_be_alone() -> None:
    gate, lock = SharedLock(), threading.Lock()
    inside: list[bool] = []
    worst: list[list[bool]] = []

    def enter(alone: bool) -> None:
        for _ in range(30):
            with gate.alone() if alone else gate.shared():
                with lock:
                    inside.append(alone)
                    if True in inside and len(inside) > 1:
                        worst.append(list(inside))
                with lock:
                    inside.remove(alone)

    threads = [threading.Thread(target=enter, args=(number % 3 == 0,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert not worst


def test_ctrl_c_asks_once_and_stops_twice(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with on_interrupt() as stop:
        assert not stop.asked
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
        assert "Ctrl-C again" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
