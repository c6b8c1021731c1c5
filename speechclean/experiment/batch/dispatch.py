"""The work queue of a batch: tasks to workers, entries back.

The tasks that were in flight with a worker that died are retried by another, and a file that kills
workers is found and named. A worker that hangs is as good as dead: it is killed, and its tasks are
retried too.
"""

from __future__ import annotations

import logging
import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from speechclean.experiment.config.errors import ConfigError
from speechclean.records.file_result import FileResult

from . import WorkersLost
from .interrupt import Stop
from .memory_errors import is_memory
from .task import Entry, Input, Task
from .worker_handle import Event, Inbox, Setup, StartWorker, WorkerHandle

log = logging.getLogger(__name__)

#: A file is not retried once so many workers died while it was the only one in flight with them.
MAX_DEATHS = 2
#: So many workers in a row that die without finishing a file, at their start or later, end the
#: batch: it is not the files' fault.
MAX_LOST_AT_START, MAX_LOST_AT_WORK = 4, 12
#: Sound in flight with one worker, in samples of all channels (half an hour at 24 kHz mono): it
#: bounds memory.
MAX_SAMPLES_IN_FLIGHT = 30 * 60 * 24000
#: How long an event is waited for, in seconds, before the stop is looked at.
POLL_S = 0.2
#: A worker that owes a heartbeat hangs once it has been silent for so many seconds, and so many
#: more for each second of sound in flight with it: a disk or a network may keep it waiting, which
#: uses no processor.
SILENCE_LIMIT_S, SILENCE_LIMIT_PER_S = 600.0, 1.0
#: One that is busy but finishes nothing is killed after so many: the slowest pipeline (two bags at
#: 10 shifts) takes 50 times a sound's length on one core, and on a weak core three times that.
NO_RESULT_LIMIT_S, NO_RESULT_LIMIT_PER_S = 6 * 3600.0, 500.0
#: What counts of the time between two events, in seconds: in a longer gap the dispatcher itself was
#: stopped or held up.
MAX_GAP_S = 1.0
#: So many of its files are named with a worker that died.
NAMED_FILES = 5


@dataclass
class _Worker:
    """A worker and the tasks that are in flight with it.

    window: how many files it takes at once; 0 until it is ready
    silent_s: since its last event; no_result_s: since its last entry. Both count only while
        something is waited for.
    """

    handle: WorkerHandle
    inbox: Inbox
    window: int = 0
    in_flight: dict[str, Task] = field(default_factory=dict)
    silent_s: float = 0.0
    no_result_s: float = 0.0

    def has_room(self, task: Task) -> bool:
        """Whether the task may be sent to it now."""
        if not self.in_flight:
            return self.window > 0
        if task.alone or any(other.alone for other in self.in_flight.values()):
            return False
        samples = sum(other.weight for other in self.in_flight.values())
        return len(self.in_flight) < self.window and samples + task.weight <= MAX_SAMPLES_IN_FLIGHT

    def hang(self, passed_s: float) -> str:
        """How it hangs, after so many more seconds; empty if it does not.

        An idle worker owes no sign of life.
        """
        if self.window and not self.in_flight:
            self.silent_s = self.no_result_s = 0.0
            return ""
        self.silent_s += passed_s
        self.no_result_s += passed_s
        sound_s = sum(task.seconds for task in self.in_flight.values())
        if self.silent_s > SILENCE_LIMIT_S + SILENCE_LIMIT_PER_S * sound_s:
            return f"standing still, without a sign of life for {self.silent_s / 60:.0f} minutes"
        limit_s = NO_RESULT_LIMIT_S + NO_RESULT_LIMIT_PER_S * sound_s
        if self.in_flight and self.no_result_s > limit_s:
            return f"work without an end, {self.no_result_s / 3600:.0f} hours of it"
        return ""


def dispatch(
    tasks: Sequence[Task],
    setup: Setup,
    start: StartWorker,
    workers: int,
    stop: Stop,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Entry | None, None, None]:
    """An entry for each task, as they end; None now and then in between, to update progress.

    Once `stop` is asked for, what is in flight is finished and nothing new begun. Workers are gone
    when the generator ends or is closed. Raises `ConfigError` for what a worker finds wrong with
    its config before any file, `WorkersLost` when workers cannot live.
    """
    dispatcher = _Dispatcher(tasks, setup, start)
    try:
        for number in range(min(workers, max(1, len(tasks)))):
            dispatcher.start_worker(number)
        last = clock()
        while dispatcher.has_in_flight() or (dispatcher.has_queued() and not stop.asked):
            if not stop.asked:
                dispatcher.send_tasks()
            try:
                yield from dispatcher.handle(*dispatcher.events.get(timeout=POLL_S))
            except queue.Empty:
                yield None
            before, last = last, clock()
            if dispatcher.events.empty():  # else a sign of life may be among them
                yield from dispatcher.replace_hung(min(last - before, MAX_GAP_S))
    except BaseException:
        for worker in dispatcher.workers.values():
            worker.handle.kill()
        raise
    for worker in dispatcher.workers.values():
        with suppress(OSError):
            worker.handle.close()


class _Dispatcher:
    """All workers, and the queues of tasks that are not in flight: new ones and retries."""

    def __init__(self, tasks: Sequence[Task], setup: Setup, start: StartWorker) -> None:
        self.events: queue.Queue[tuple[Inbox, Event]] = queue.Queue()
        self.workers: dict[int, _Worker] = {}
        self._queue, self._retries = deque(tasks), deque[Task]()
        self._setup, self._start = setup, start
        self._deaths: Counter[str] = Counter()
        self._lost_in_a_row = 0

    def start_worker(self, number: int) -> None:
        """Start the worker of this number, the first one or a successor."""
        inbox = Inbox(self.events)
        self.workers[number] = _Worker(self._start(number, inbox), inbox)

    def has_in_flight(self) -> bool:
        """Whether any task is in flight."""
        return any(worker.in_flight for worker in self.workers.values())

    def has_queued(self) -> bool:
        """Whether any task waits for a worker."""
        return bool(self._queue or self._retries)

    def handle(self, inbox: Inbox, event: Event) -> Iterator[Entry]:
        """Take in a worker's event; entries that come of it."""
        worker = self.workers[event.worker]
        if worker.inbox is not inbox:  # of one that has been replaced
            return
        worker.silent_s = 0.0
        if event.config_problems:
            raise ConfigError(list(event.config_problems))
        if event.start_problem:
            raise WorkersLost(f"a worker cannot start: {event.start_problem}")
        if event.ready:
            worker.window = event.ready
        if event.entry and (task := worker.in_flight.pop(event.entry.alias, None)):
            self._lost_in_a_row, worker.no_result_s = 0, 0.0
            if event.entry.result.failed and is_memory(event.entry.result.reason):
                yield from self._after_want_of_memory(event.worker, task, event.entry)
            else:
                yield event.entry
        if event.death:
            yield from self._replace(event.worker, event.death)

    def replace_hung(self, passed_s: float) -> Iterator[Entry]:
        """Replace workers that hang after so many more seconds; entries that come of it."""
        for number, worker in list(self.workers.items()):
            if how := worker.hang(passed_s):
                yield from self._replace(number, how)

    def send_tasks(self) -> None:
        """Send each worker what it has room for, in turn.

        Retries come first, each to a worker with nothing else in flight.
        """
        sent = True
        while sent:
            sent = False
            for worker in self.workers.values():
                tasks = self._retries if self._retries and not worker.in_flight else self._queue
                if tasks and worker.has_room(tasks[0]):
                    task = tasks.popleft()
                    worker.in_flight[task.alias] = task
                    worker.handle.send(task)
                    sent = True

    def _after_want_of_memory(self, number: int, task: Task, entry: Entry) -> Iterator[Entry]:
        """Go on in a new process: entries that come of it.

        One that found no memory once may find none for a long time: its heap stays in pieces, and
        libraries remember their failure. So what it failed at counts only where it had nothing
        else, and what it would fail at next is spared.
        """
        if task.alone:
            yield entry
        else:
            self._retries.append(replace(task, alone=True))
        if self.workers[number].in_flight or self.has_queued():
            yield from self._replace(number, "found no memory")

    def _replace(self, number: int, how: str) -> Iterator[Entry]:
        """Start a dead or spent worker's successor, queue its tasks; entries of files given up."""
        worker = self.workers[number]
        self._lost_in_a_row += 1
        names = ", ".join([*worker.in_flight][:NAMED_FILES])
        log.warning(
            "worker %d: %s; it held %d files, which go to another (%s)",
            number,
            how,
            len(worker.in_flight),
            names + ("…" if len(worker.in_flight) > NAMED_FILES else ""),
        )
        if self._lost_in_a_row >= (MAX_LOST_AT_WORK if worker.window else MAX_LOST_AT_START):
            raise WorkersLost(
                f"{self._lost_in_a_row} workers in a row died, the last one by {how}; "
                "see worker-*.log"
            )
        worker.handle.kill()
        for task in worker.in_flight.values():
            self._deaths[task.alias] += task.alone
            if self._deaths[task.alias] >= MAX_DEATHS:
                yield _given_up(task, how, self._setup)
            else:
                self._retries.append(replace(task, alone=True))
        self.start_worker(number)


def _given_up(task: Task, how: str, setup: Setup) -> Entry:
    """The entry of a file that is not retried."""
    reason = f"{task.path}: {MAX_DEATHS} workers died while they had nothing but this file ({how})"
    result = FileResult.failure(task.alias, task.path, reason, task.output)
    return Entry(result, setup.signature, setup.weights, Input(None, None, None))
