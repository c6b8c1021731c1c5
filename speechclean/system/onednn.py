"""Computing on after oneDNN found no memory.

oneDNN writes machine code for each new shape. Where it once got no memory for that, it remembers so
for as long as the thread lives: the error of its assembler (Xbyak) is kept for the thread and never
cleared. From then on whatever is new fails in that thread with the same words, however much memory
there is. Another thread has never failed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from . import parallel

R = TypeVar("R")

#: How torch passes it on.
NO_PRIMITIVE = "could not create a primitive"


class _Here(threading.local):
    """What a thread knows of itself."""

    #: Whether oneDNN has failed in it.
    spent = False


_here = _Here()


def able(work: Callable[[], R]) -> R:
    """`work()`, in a thread in which oneDNN can make what is new; what it raises is raised here.

    That is the calling thread until oneDNN has failed in it, and a new one each time after that.
    """
    try:
        return parallel.afresh(work) if _here.spent else work()
    except RuntimeError as error:
        if NO_PRIMITIVE in str(error):
            _here.spent = True
            parallel.renew()
        raise
