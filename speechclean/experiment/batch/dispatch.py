"""Tasks to workers.

The tasks of a worker that died go to another, and a file that kills workers is found and named.
"""

from __future__ import annotations

import logging
import queue
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from speechclean.experiment.config.schema import ConfigError
from speechclean.records.file_result import FileResult

from . import WorkersLost
from .interrupt import Stop
from .task import Entry, Input, Task
from .worker_handle import Event, Link, Setup

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

Start = Callable[[int, "queue.Queue[Event]"], Link]


@dataclass
class _Hand:
    """A worker and what it holds."""

    link: Link
    window: int = 0
    held: dict[str, Task] = field(default_factory=dict)

    def has_room(self, task: Task) -> bool:
        if not self.held:
            return self.window > 0
        if task.alone or any(held.alone for held in self.held.values()):
            return False
        ahead = sum(held.weight for held in self.held.values())
        return len(self.held) < self.window and ahead + task.weight <= SAMPLES_AHEAD


def dispatch(
    tasks: Sequence[Task], setup: Setup, start: Start, workers: int, stop: Stop
) -> Iterator[Entry | None]:
    """An entry for each task, as they end; None now and then in between, to update progress.

    Once `stop` is asked for, what is at work is finished and nothing new begun. Raises
    `ConfigError` for what a worker finds wrong with its config before any file, `WorkersLost` when
    workers cannot live.
    """
    waiting, suspects = deque(tasks), deque[Task]()
    deaths: Counter[str] = Counter()
    lost_in_a_row = 0
    events: queue.Queue[Event] = queue.Queue()
    hands = {
        number: _Hand(start(number, events)) for number in range(min(workers, max(1, len(tasks))))
    }
    try:
        while any(hand.held for hand in hands.values()) or (
            (waiting or suspects) and not stop.asked
        ):
            if not stop.asked:
                _hand_out(hands, waiting, suspects)
            try:
                event = events.get(timeout=TICK_S)
            except queue.Empty:
                yield None
                continue
            hand = hands[event.worker]
            if event.wrong:
                raise ConfigError(list(event.wrong))
            if event.problem:
                raise WorkersLost(f"a worker cannot start: {event.problem}")
            if event.ready:
                hand.window = event.ready
            if event.entry and hand.held.pop(event.entry.alias, None):
                lost_in_a_row = 0
                yield event.entry
            if event.dead:
                lost_in_a_row += 1
                most = LOST_AT_WORK if hand.window else LOST_AT_START
                log.warning(
                    "worker %d: %s; it held %d files, which go to another",
                    event.worker,
                    event.dead,
                    len(hand.held),
                )
                if lost_in_a_row >= most:
                    raise WorkersLost(
                        f"{lost_in_a_row} workers in a row died, the last one by {event.dead}; see worker-*.log"
                    )
                for task in hand.held.values():
                    deaths[task.alias] += task.alone
                    if deaths[task.alias] >= DEATHS:
                        yield _culprit(task, event.dead, setup)
                    else:
                        suspects.append(replace(task, alone=True))
                hand.link.kill()
                hands[event.worker] = _Hand(start(event.worker, events))
    except BaseException:
        for hand in hands.values():
            hand.link.kill()
        raise
    for hand in hands.values():
        with suppress(OSError):
            hand.link.close()


def _hand_out(hands: dict[int, _Hand], waiting: deque[Task], suspects: deque[Task]) -> None:
    """Give each worker what it has room for, in turn.

    Suspects come first, each to a worker that holds nothing else.
    """
    gave = True
    while gave:
        gave = False
        for hand in hands.values():
            line = suspects if suspects and not hand.held else waiting
            if line and hand.has_room(line[0]):
                task = line.popleft()
                hand.held[task.alias] = task
                hand.link.send(task)
                gave = True


def _culprit(task: Task, how: str, setup: Setup) -> Entry:
    reason = f"{task.path}: {DEATHS} workers died while they had nothing but this file ({how})"
    result = FileResult.failure(task.alias, task.path, reason, task.output)
    return Entry(result, setup.signature, setup.weights, Input(None, None, None))
