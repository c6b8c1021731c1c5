"""Workers come and go; every task ends once, with an entry."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from speechclean.experiment.batch import WorkersLost
from speechclean.experiment.batch import dispatch as module
from speechclean.experiment.batch.dispatch import (
    MAX_DEATHS,
    MAX_LOST_AT_START,
    MAX_LOST_AT_WORK,
    SILENCE_LIMIT_PER_S,
    SILENCE_LIMIT_S,
    dispatch,
)
from speechclean.experiment.batch.heartbeat import HEARTBEAT_S, Heartbeat
from speechclean.experiment.batch.interrupt import Stop, on_interrupt
from speechclean.experiment.batch.shared_lock import SharedLock
from speechclean.experiment.batch.task import Entry, Task
from speechclean.experiment.batch.worker_handle import Event, Inbox, ProcessHandle, Setup
from speechclean.experiment.config.errors import ConfigError
from speechclean.records.file_result import Status
from tests.experiment.batch.conftest import entry

SETUP = Setup({}, Path("out"), "s", "w")
TASKS = [
    Task(name, f"/in/{name}.wav", f"cleaned/{name}.wav", seconds=1.0, weight=24000)
    for name in "abcdefgh"
]
#: Stands in the log of workers where one was killed.
KILLED = Task("killed", "", "")


class Scripted:
    """A worker that finishes what it is given, or dies of it."""

    def __init__(
        self,
        number: int,
        events: Inbox,
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
            self.events.put(Event(self.number, death="ended by SIGKILL"))
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
    assert sum(task.alone and task.alias == "d" for _, task in log) == MAX_DEATHS


@pytest.mark.parametrize("times", [1, 2])
def test_want_of_memory_costs_the_process_and_a_file_only_if_alone(times: int) -> None:
    """What it would fail at next is spared: a process without memory may stay so."""
    left = [times]

    class Starved(Scripted):
        spent = False

        def send(self, task: Task) -> None:
            if task.alias == "c" and left[0]:
                left[0] -= 1
                self.spent = True
            if not self.spent:
                super().send(task)
                return
            self.log.append((self.number, task))
            reason = f"{task.path}: RuntimeError: could not create a primitive"
            failed = entry(task.alias, Status.FAILED, reason=reason)
            self.events.put(Event(self.number, entry=failed))

    log: list[tuple[int, Task]] = []
    found = dispatch(
        TASKS,
        SETUP,
        lambda number, events: Starved(number, events, lambda _: False, log),
        1,
        Stop(),
    )
    entries = [one for one in found if one]
    assert Counter(one.alias for one in entries) == Counter("abcdefgh")
    assert [one.alias for one in entries if one.result.failed] == ["c"] * (times - 1)
    assert [task.alone for _, task in log if task.alias == "c"] == [False, True]


def test_workers_that_cannot_live_are_no_files_fault() -> None:
    with pytest.raises(WorkersLost, match=f"{MAX_LOST_AT_WORK} workers in a row"):
        ended(lambda _: True, workers=1)

    class Stillborn(Scripted):
        def __init__(self, number: int, events: Inbox) -> None:
            events.put(Event(number, death="exit status 1"))

    with pytest.raises(WorkersLost, match=f"{MAX_LOST_AT_START} workers in a row"):
        list(dispatch(TASKS, SETUP, Stillborn, 1, Stop()))


def test_several_files_that_kill_workers_are_all_named() -> None:
    entries, _ = ended(lambda task: task.alias in "adfgh", workers=1)
    assert Counter(one.alias for one in entries) == Counter("abcdefgh")
    assert {one.alias for one in entries if one.result.failed} == set("adfgh")


def test_a_config_that_a_worker_finds_wrong_is_the_configs_problem() -> None:
    class Wrong(Scripted):
        def __init__(self, number: int, events: Inbox) -> None:
            self.number = number
            events.put(Event(number, config_problems=["separators.a: no checkpoint"]))

    with pytest.raises(ConfigError, match=r"separators\.a: no checkpoint"):
        list(dispatch(TASKS, SETUP, Wrong, 2, Stop()))


def test_a_worker_with_a_problem_ends_the_batch_by_its_words() -> None:
    class Broken(Scripted):
        def __init__(self, number: int, events: Inbox) -> None:
            events.put(Event(number, start_problem="ConfigError: no such weights"))

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


class Clock:
    """A clock on which half a second passes at every look; workers that hang on it have a turn
    then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns: list[Callable[[float], None]] = []

    def __call__(self) -> float:
        self.now += 0.5
        for turn in list(self.turns):
            turn(self.now)
        return self.now


class Slow(Scripted):
    """A worker that takes so many seconds for a file. It shows signs of life, but for a file that
    makes it `hang`."""

    def __init__(
        self,
        number: int,
        events: Inbox,
        clock: Clock,
        log: list[tuple[int, Task]],
        takes_s: float,
        hang: Callable[[Task], bool],
    ) -> None:
        self.number, self.events, self.log, self.hang, self.takes_s = (
            number,
            events,
            log,
            hang,
            takes_s,
        )
        self.until: dict[str, float] = {}
        self.hangs = False
        self.clock = clock
        clock.turns.append(self.turn)
        events.put(Event(number, ready=1))

    def send(self, task: Task) -> None:
        self.log.append((self.number, task))
        self.hangs |= self.hang(task)
        self.until[task.alias] = self.clock.now + self.takes_s

    def turn(self, now: float) -> None:
        if self.hangs:
            return
        if now % HEARTBEAT_S == 0:
            self.events.put(Event(self.number, alive=True))
        for alias in [alias for alias, end in self.until.items() if now >= end]:
            del self.until[alias]
            self.events.put(Event(self.number, entry=entry(alias)))

    def kill(self) -> None:
        """As a process: its end is heard of after it was replaced."""
        self.clock.turns.remove(self.turn)
        self.log.append((self.number, KILLED))
        self.events.put(Event(self.number, death="ended by SIGKILL"))
        self.events.put(Event(self.number, entry=entry("a")))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for: time passes on a `Clock` alone."""
    monkeypatch.setattr(module, "POLL_S", 0.0001)


def watched(
    tasks: list[Task], takes_s: float, hang: Callable[[Task], bool], workers: int = 1
) -> tuple[list[Entry], list[tuple[int, Task]]]:
    log: list[tuple[int, Task]] = []
    clock = Clock()
    found = dispatch(
        tasks,
        SETUP,
        lambda n, events: Slow(n, events, clock, log, takes_s, hang),
        workers,
        Stop(),
        clock,
    )
    return [one for one in found if one], log


@pytest.mark.usefixtures("looks")
def test_a_worker_that_stands_still_is_ended_and_its_file_goes_to_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    once = iter([True])
    entries, log = watched(
        TASKS[:3], 1.0, lambda task: task.alias == "b" and next(once, False), workers=2
    )
    assert Counter(one.alias for one in entries) == Counter("abc")
    assert {one.result.status for one in entries} == {Status.CLEANED}
    assert sum(what == KILLED for _, what in log) == 1, (
        "what it said after its end ends nobody else"
    )
    assert [task.alone for _, task in log if task != KILLED and task.alias == "b"] == [
        False,
        True,
    ]
    assert "standing still, without a sign of life for 10 minutes" in caplog.text
    assert "(b)" in caplog.text


@pytest.mark.usefixtures("looks")
def test_a_file_at_which_every_worker_stands_still_is_named_and_the_rest_finished() -> None:
    entries, _ = watched(TASKS[:3], 1.0, lambda task: task.alias == "b")
    assert Counter(one.alias for one in entries) == Counter("abc")
    (bad,) = [one for one in entries if one.result.status == Status.FAILED]
    assert bad.alias == "b"
    assert f"{MAX_DEATHS} workers died" in bad.result.reason
    assert "standing still" in bad.result.reason


@pytest.mark.usefixtures("looks")
def test_a_slow_worker_is_no_hung_one() -> None:
    """An hour for a second of sound, with signs of life all along."""
    entries, log = watched(TASKS[:2], 3600.0, lambda _: False)
    assert [one.result.status for one in entries] == [Status.CLEANED, Status.CLEANED]
    assert not any(what == KILLED for _, what in log)


@pytest.mark.usefixtures("looks")
def test_the_more_sound_a_worker_holds_the_longer_it_may_be_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    long = Task(
        "long",
        "/in/long.wav",
        "cleaned/long.wav",
        seconds=4 * SILENCE_LIMIT_S / SILENCE_LIMIT_PER_S,
        weight=1,
    )
    watched([long], 1.0, lambda _: True)
    assert "for 50 minutes" in caplog.text


@pytest.mark.usefixtures("looks")
def test_work_without_an_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NO_RESULT_LIMIT_S", 900.0)
    entries, _ = watched(TASKS[:1], 1e9, lambda _: False)
    assert [one.result.status for one in entries] == [Status.FAILED]
    assert "work without an end" in entries[0].result.reason


@pytest.mark.usefixtures("looks")
def test_workers_that_never_get_ready_end_the_batch() -> None:
    class Mute(Slow):
        def __init__(self, number: int, clock: Clock) -> None:
            super().__init__(number, Inbox(queue.Queue()), clock, [], 1.0, lambda _: True)
            self.hangs = True

    clock = Clock()
    with pytest.raises(
        WorkersLost,
        match=f"{MAX_LOST_AT_START} workers in a row died, the last one by standing still",
    ):
        list(dispatch(TASKS, SETUP, lambda number, _: Mute(number, clock), 1, Stop(), clock))


@pytest.mark.usefixtures("looks")
def test_a_dispatcher_that_was_stopped_itself_takes_no_worker_for_hung() -> None:
    """Ctrl-Z for a day, in the middle of a file: what its workers said meanwhile is not heard
    yet."""
    log: list[tuple[int, Task]] = []
    clock = Clock()
    for _ in dispatch(
        TASKS[:1],
        SETUP,
        lambda n, events: Slow(n, events, clock, log, 2.0, lambda _: False),
        1,
        Stop(),
        clock,
    ):
        clock.now += 86400.0
    assert not any(what == KILLED for _, what in log)


def test_waiting_is_no_sign_of_life_and_work_is() -> None:
    now, used = [0.0], [0.0]
    heartbeat = Heartbeat(lambda: now[0], lambda: used[0])
    found = []
    for work in (0.0, 0.001, 0.1, 20.0, 0.0):
        now[0] += HEARTBEAT_S
        used[0] += work
        found.append(heartbeat())
    assert found == [False, False, True, True, False]


def test_a_process_that_reads_nothing_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More tasks than its pipe takes; then its end, which is an event."""
    deaf = tmp_path / "deaf"
    deaf.write_text("#!/bin/sh\nexec sleep 600\n")
    deaf.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(deaf))
    events: queue.Queue[tuple[Inbox, Event]] = queue.Queue()
    handle = ProcessHandle(0, Setup({}, tmp_path, "s", "w"), Inbox(events), None, {})
    for _ in range(200):
        handle.send(Task("a", "x" * 4000, "y"))
    handle.kill()
    assert "SIGKILL" in events.get(timeout=30)[1].death


def test_a_shared_lock_lets_many_share_and_one_be_alone() -> None:
    shared_lock, lock = SharedLock(), threading.Lock()
    inside: list[bool] = []
    worst: list[list[bool]] = []

    def enter(alone: bool) -> None:
        for _ in range(30):
            with shared_lock.alone() if alone else shared_lock.shared():
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
    stop = Stop()
    with on_interrupt(stop):
        assert not stop.asked
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
        assert "Ctrl-C again" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
