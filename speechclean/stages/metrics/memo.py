"""Who listens to a sound that several metrics ask for, and remembers the last few answers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import Generic, TypeVar

Heard = TypeVar("Heard")

#: Of four files at work in each of eight cores, before and after cleaning.
KEPT = 64


class Memo(Generic[Heard]):
    """Answers by key: the sound that several metrics ask for is heard once.

    one_at_a_time: for listeners that keep a state while they listen, where files are measured side
        by side. Otherwise only those who ask for the same sound wait for one another.
    """

    def __init__(self, one_at_a_time: bool = True) -> None:
        self._answers: OrderedDict[Hashable, Future[Heard]] = OrderedDict()
        self._lock = Lock()
        self._listening: AbstractContextManager[object] = Lock() if one_at_a_time else nullcontext()

    def __call__(self, key: Hashable, listen: Callable[[], Heard]) -> Heard:
        """The remembered answer, else that of `listen`; what it raises is not remembered."""
        with self._lock:
            found = self._answers.get(key)
            answer: Future[Heard] = found or Future()
            self._answers[key] = answer
            self._answers.move_to_end(key)
            while len(self._answers) > KEPT:
                self._answers.popitem(last=False)
        if found is None:
            try:
                with self._listening:
                    answer.set_result(listen())
            except BaseException as error:
                with self._lock:
                    self._answers.pop(key, None)
                answer.set_exception(error)
                raise
        return answer.result()
