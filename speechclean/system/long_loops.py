"""How far a long loop is, now and then, in the log.

A loop that is over in a moment says nothing. Commands show these lines to whoever waits.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

#: What these lines are logged by, at INFO.
log = logging.getLogger("speechclean.progress")
EVERY_S = 5.0

Item = TypeVar("Item")


def watched(items: Iterable[Item], of: str, what: str, total: int | None = None) -> Iterator[Item]:
    """The items, while the log is told every few seconds how many were taken.

    of: where they are from; what: they are; total: how many there are in all, where that is known

    >>> log.info("%s: %s so far", "set.csv", "40,000 of 100,000 rows")  # what a line is like
    """
    in_all = "" if total is None else f" of {total:,}"
    last = time.monotonic()
    for count, item in enumerate(items):
        if (now := time.monotonic()) - last >= EVERY_S:
            last = now
            log.info("%s: %s so far", of, f"{count:,}{in_all} {what}")
        yield item
