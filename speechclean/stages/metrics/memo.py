"""Who listens to a sound once and remembers the last few answers.

Shared by the metrics that hear words or speech, and by those that ask one network for several
numbers. Files are measured side by side, in threads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import Generic, TypeVar

Heard = TypeVar("Heard")

#: A sweep hears the same few hundred mixtures in every trial; an answer is a text, or some numbers.
KEPT = 1024


class Memo(Generic[Heard]):
    """Answers by key: the sound that several metrics ask for is heard once.

    one_at_a_time: for listeners that keep a state while they listen; others hear different sounds
        side by side, on as many cores as there are threads
    """

    def __init__(self, one_at_a_time: bool = True) -> None:
        self._answers: OrderedDict[Hashable, Future[Heard]] = OrderedDict()
        self._lock = Lock()
        self._listening: AbstractContextManager[object] = Lock() if one_at_a_time else nullcontext()

    def __call__(self, key: Hashable, listen: Callable[[], Heard]) -> Heard:
        """The remembered answer, else that of `listen`; what it raises is not remembered."""
        with self._lock:
            answer = self._answers.get(key)
            if is_new := answer is None:
                answer = self._answers[key] = Future()
                while len(self._answers) > KEPT:
                    self._answers.popitem(last=False)
            self._answers.move_to_end(key)
        if is_new:
            try:
                with self._listening:
                    answer.set_result(listen())
            except BaseException as error:
                with self._lock:
                    if self._answers.get(key) is answer:
                        del self._answers[key]
                answer.set_exception(error)  # for those that wait for it
                raise
        return answer.result()
