"""Computing on after oneDNN found no memory.

oneDNN writes machine code for each new shape. Where it once got no memory for that, it remembers so
for as long as the thread lives: the error of its assembler (Xbyak) is kept for the thread and never
cleared. From then on whatever is new fails in that thread with the same words, however much memory
there is. Another thread has never failed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from . import parallel

R = TypeVar("R")

#: How torch passes it on.
NO_PRIMITIVE = "could not create a primitive"


class _Here(threading.local):
    """What a thread knows of itself."""

    #: The thread that computes for it, once oneDNN has failed in it.
    stand_in: ThreadPoolExecutor | None = None


_here = _Here()


def able(work: Callable[[], R]) -> R:
    """`work()`, in a thread in which oneDNN can make what is new; what it raises is raised here.

    That is the calling thread until oneDNN has failed in it, and then another one until it has
    failed in that: a new one each time would take memory of its own each time.
    """
    try:
        return parallel.passed_on(work, _here.stand_in) if _here.stand_in else work()
    except RuntimeError as error:
        if NO_PRIMITIVE in str(error):
            _here.stand_in = ThreadPoolExecutor(1, "stand-in")
            parallel.renew()
        raise
