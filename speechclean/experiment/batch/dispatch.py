"""Tasks to workers.

The tasks of a worker that died go to another, and a file that kills workers is found and named. A
worker that stands still is as good as dead: it is ended, and its tasks go to another too.
"""

from __future__ import annotations

import logging
import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from speechclean.experiment.config.errors import ConfigError
from speechclean.records.file_result import FileResult

from . import WorkersLost
from .interrupt import Stop
from .task import Entry, Input, Task
from .worker_handle import Event, Inbox, Link, Setup

log = logging.getLogger(__name__)

#: A file at which this many workers died while it was the only one they held is not tried again.
DEATHS = 2
#: So many workers in a row that die without finishing anything are no accident: at their start, or
#: at their work.
LOST_AT_START, LOST_AT_WORK = 4, 12
#: Sound in a worker's hands at once, in samples of all channels (half an hour at 24 kHz mono): it
#: bounds memory.
SAMPLES_AHEAD = 30 * 60 * 24000
#: How often a stop is looked for, in seconds.
TICK_S = 0.2
#: A worker that is waited for and shows no sign of life (`pulse`) stands still after so many
#: seconds, and so many more for each
#: second of sound in its hands: a disk or a network may keep it waiting, which is no work of its
#: processor.
STILL_S, STILL_PER_S = 600.0, 1.0
#: One that is busy but finishes nothing is ended after so many: the slowest pipeline (two bags at
#: 10 shifts) takes 50 times a sound's length on one core, and on a weak core three times that.
ENDLESS_S, ENDLESS_PER_S = 6 * 3600.0, 500.0
#: What counts of the time between two looks, in seconds: in a longer gap the dispatcher itself was
#: stopped or held up.
GAP_S = 1.0
#: So many of its files are named with a worker that died.
NAMED = 5

Start = Callable[[int, Inbox], Link]


@dataclass
class _Hand:
    """A worker and what it holds. While it is waited for: `silent_s` since its last sign of life,
    `barren_s` since its last entry.
    """

    link: Link
    inbox: Inbox
    window: int = 0
    held: dict[str, Task] = field(default_factory=dict)
    silent_s: float = 0.0
    barren_s: float = 0.0

    def has_room(self, task: Task) -> bool:
        if not self.held:
            return self.window > 0
        if task.alone or any(held.alone for held in self.held.values()):
            return False
        ahead = sum(held.weight for held in self.held.values())
        return len(self.held) < self.window and ahead + task.weight <= SAMPLES_AHEAD

    def stands_still(self, passed_s: float) -> str:
        """How, after so many more seconds; empty if it does not. An idle worker owes no sign."""
        if self.window and not self.held:
            self.silent_s = self.barren_s = 0.0
            return ""
        self.silent_s += passed_s
        self.barren_s += passed_s
        sound_s = sum(task.seconds for task in self.held.values())
        if self.silent_s > STILL_S + STILL_PER_S * sound_s:
            return f"standing still, without a sign of life for {self.silent_s / 60:.0f} minutes"
        if self.held and self.barren_s > ENDLESS_S + ENDLESS_PER_S * sound_s:
            return f"work without an end, {self.barren_s / 3600:.0f} hours of it"
        return ""


def dispatch(
    tasks: Sequence[Task],
    setup: Setup,
    start: Start,
    workers: int,
    stop: Stop,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Entry | None]:
    """An entry for each task, as they end; None now and then in between, to update progress.

    Once `stop` is asked for, what is at work is finished and nothing new begun. Raises
    `ConfigError` for what a worker finds wrong with its config before any file, `WorkersLost` when
    workers cannot live.
    """
    crew = _Crew(tasks, setup, start)
    try:
        for number in range(min(workers, max(1, len(tasks)))):
            crew.engage(number)
        looked = clock()
        while crew.holds() or (crew.has_more() and not stop.asked):
            if not stop.asked:
                crew.hand_out()
            try:
                yield from crew.hear(*crew.events.get(timeout=TICK_S))
            except queue.Empty:
                yield None
            before, looked = looked, clock()
            if crew.events.empty():  # else a sign of life may be among them
                yield from crew.judge(min(looked - before, GAP_S))
    except BaseException:
        for hand in crew.hands.values():
            hand.link.kill()
        raise
    for hand in crew.hands.values():
        with suppress(OSError):
            hand.link.close()


class _Crew:
    """All workers, and what none of them holds yet."""

    def __init__(self, tasks: Sequence[Task], setup: Setup, start: Start) -> None:
        self.events: queue.Queue[tuple[Inbox, Event]] = queue.Queue()
        self.hands: dict[int, _Hand] = {}
        self._waiting, self._suspects = deque(tasks), deque[Task]()
        self._setup, self._start = setup, start
        self._deaths: Counter[str] = Counter()
        self._lost_in_a_row = 0

    def engage(self, number: int) -> None:
        """Start a worker in this place."""
        inbox = Inbox(self.events)
        self.hands[number] = _Hand(self._start(number, inbox), inbox)

    def holds(self) -> bool:
        """Whether anything is at work."""
        return any(hand.held for hand in self.hands.values())

    def has_more(self) -> bool:
        """Whether anything is to be handed out."""
        return bool(self._waiting or self._suspects)

    def hear(self, inbox: Inbox, event: Event) -> Iterator[Entry]:
        """Take in what a worker said; entries that come of it."""
        hand = self.hands[event.worker]
        if hand.inbox is not inbox:  # of one that has been replaced
            return
        hand.silent_s = 0.0
        if event.wrong:
            raise ConfigError(list(event.wrong))
        if event.problem:
            raise WorkersLost(f"a worker cannot start: {event.problem}")
        if event.ready:
            hand.window = event.ready
        if event.entry and hand.held.pop(event.entry.alias, None):
            self._lost_in_a_row, hand.barren_s = 0, 0.0
            yield event.entry
        if event.dead:
            yield from self._replace(event.worker, event.dead)

    def judge(self, passed_s: float) -> Iterator[Entry]:
        """End workers that stand still; entries that come of it."""
        for number, hand in list(self.hands.items()):
            if how := hand.stands_still(passed_s):
                yield from self._replace(number, how)

    def _replace(self, number: int, how: str) -> Iterator[Entry]:
        """Another worker in the place of a dead one; entries of files that are not tried again."""
        hand = self.hands[number]
        self._lost_in_a_row += 1
        named = ", ".join([*hand.held][:NAMED]) + ("…" if len(hand.held) > NAMED else "")
        log.warning(
            "worker %d: %s; it held %d files, which go to another (%s)",
            number,
            how,
            len(hand.held),
            named,
        )
        if self._lost_in_a_row >= (LOST_AT_WORK if hand.window else LOST_AT_START):
            raise WorkersLost(
                f"{self._lost_in_a_row} workers in a row died, the last one by {how}; see worker-*.log"
            )
        hand.link.kill()
        for task in hand.held.values():
            self._deaths[task.alias] += task.alone
            if self._deaths[task.alias] >= DEATHS:
                yield _culprit(task, how, self._setup)
            else:
                self._suspects.append(replace(task, alone=True))
        self.engage(number)

    def hand_out(self) -> None:
        """Give each worker what it has room for, in turn; suspects first, each to a worker that
        holds nothing else.
        """
        gave = True
        while gave:
            gave = False
            for hand in self.hands.values():
                line = self._suspects if self._suspects and not hand.held else self._waiting
                if line and hand.has_room(line[0]):
                    task = line.popleft()
                    hand.held[task.alias] = task
                    hand.link.send(task)
                    gave = True


def _culprit(task: Task, how: str, setup: Setup) -> Entry:
    reason = f"{task.path}: {DEATHS} workers died while they had nothing but this file ({how})"
    result = FileResult.failure(task.alias, task.path, reason, task.output)
    return Entry(result, setup.signature, setup.weights, Input(None, None, None))
