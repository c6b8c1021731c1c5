"""A word to whoever waits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

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
