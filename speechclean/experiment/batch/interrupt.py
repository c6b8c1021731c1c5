"""Ctrl-C: once finishes what is at work, twice stops."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Stop:
    """Whether the end was `asked` for."""

    asked: bool = False


@contextmanager
def on_interrupt(stop: Stop) -> Iterator[None]:
    """Within it a first SIGINT asks for the stop, a second raises `KeyboardInterrupt`.

    Outside of the main thread, signals are left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(_number: int, _frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        print(
            "\nstopping: what is at work is finished; Ctrl-C again stops at once",
            file=sys.stderr,
            flush=True,
        )

    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
