"""Signals that end a process, as exceptions, and blocks that no such exception may tear."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

#: What a job manager, `kill` and a closed terminal send. Ctrl-C is KeyboardInterrupt already.
ENDING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@dataclass
class _Held:
    """How many blocks of the main thread hold the signals, and the one that came meanwhile."""

    depth: int = 0
    came: int | None = None


_held = _Held()


@contextmanager
def signals_as_exit() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit(128 + signal) in the block: every `finally` runs.

    Ctrl-C raises KeyboardInterrupt as always, and like the others waits for `signals_held`.
    Signals that the process was told to ignore (nohup) stay ignored; outside the main thread this
    does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    caught = [
        number
        for number, handler in before.items()
        if handler is not signal.SIG_IGN and handler is not None
    ]

    def leave(number: int, _frame: FrameType | None) -> None:
        if _held.depth:
            _held.came = number
            return
        # A second signal must not interrupt the tidying up that the first one started.
        for each in caught:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in caught:
        signal.signal(number, leave)
    default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if default:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])
        if default:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def signals_held() -> Iterator[None]:
    """Let what `signals_as_exit` would raise wait for the end of the block.

    For blocks in other people's code that an exception at any line would leave torn: a database's
    transaction then keeps its lock, or swallows the exception. Such a block must be short. Outside
    the main thread, where no signal is raised, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _held.depth += 1
    try:
        yield
    finally:
        _held.depth -= 1
        if not _held.depth and _held.came is not None:
            number, _held.came = _held.came, None
            signal.raise_signal(number)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    if _held.depth and _held.came is None:  # whoever presses it again will not wait
        _held.came = number
        return
    raise KeyboardInterrupt
