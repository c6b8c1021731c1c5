"""Who listens to one sound at a time and remembers the last few.

Shared by the metrics that hear words or speech.

Recognisers keep a state while they listen, and files are measured side by side.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Heard = TypeVar("Heard")

#: Of four files at work in each of eight cores, before and after cleaning.
KEPT = 64


class Memo(Generic[Heard]):
    """Answers by key, one at a time: the sound that several metrics ask for is heard once."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, Heard] = OrderedDict()
        self._lock = Lock()

    def __call__(self, key: Hashable, listen: Callable[[], Heard]) -> Heard:
        """The remembered answer, else that of `listen`; what it raises is not remembered."""
        with self._lock:
            if key not in self._answers:
                self._answers[key] = listen()
                while len(self._answers) > KEPT:
                    self._answers.popitem(last=False)
            self._answers.move_to_end(key)
            return self._answers[key]
