"""What C libraries print to stderr themselves: caught, so that it can be said of which file."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_STDERR = 2
_lock = Lock()


@contextmanager
def caught(ours: re.Pattern[str]) -> Iterator[list[str]]:
    """A list that has, after the block, the lines that were printed in it and begin like `ours`.

    What else was printed meanwhile, by other threads, is passed on. Only one thread at a time is in
    such a block. Without a stderr, or a place for temporary files, nothing is caught.
    """
    lines: list[str] = []
    with _lock:
        try:
            kept, printed = os.dup(_STDERR), tempfile.TemporaryFile()
        except OSError:
            yield lines
            return
        os.dup2(printed.fileno(), _STDERR)
        try:
            yield lines
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
            with printed:
                if os.fstat(printed.fileno()).st_size:
                    printed.seek(0)
                    _sort(printed.read(), ours, lines)


def _sort(printed: bytes, ours: re.Pattern[str], lines: list[str]) -> None:
    for line in printed.splitlines(keepends=True):
        text = line.decode(errors="replace").strip()
        if ours.match(text):
            lines.append(text)
        elif text:
            os.write(_STDERR, line)
