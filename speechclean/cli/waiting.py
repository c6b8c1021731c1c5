"""A word to whoever waits."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from speechclean.system import long_loops
from speechclean.system.secrets import MaskingFormatter

#: Nobody wonders before, in seconds.
PATIENCE_S = 5.0


@contextmanager
def said_if_slow(text: str, after_s: float = PATIENCE_S) -> Iterator[None]:
    """Print a line on stderr if what is inside is not over after some seconds."""
    timer = Timer(after_s, lambda: print(text, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def show_long_loops() -> None:
    """Print on stderr how far the long loops of this process are, whatever else is logged where."""
    shown = logging.StreamHandler(sys.stderr)
    shown.setFormatter(MaskingFormatter())
    long_loops.log.handlers[:] = [shown]  # once, however often a process starts a command
    long_loops.log.setLevel(logging.INFO)
