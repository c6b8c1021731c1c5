"""Settings of the process that computing on a CPU gains from: what the C library's allocator does with large blocks."""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache

#: Set to `system` to leave the allocator alone.
ALLOCATOR_VARIABLE = "SPEECHCLEAN_ALLOCATOR"
#: Numbers of mallopt's parameters (glibc's malloc.h).
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8
#: Freed memory up to this much at the heap's end is kept for the next tensor.
KEEP_BYTES = 2**31 - 1


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep what is freed instead of handing it back to the kernel at once; whether that could be set.

    A forward pass allocates and frees tensors of tens of megabytes by the hundred. Left to itself, glibc maps large ones anew,
    and the kernel clears it page by page while it is filled. The setting holds for the whole process.
    """
    if os.environ.get(ALLOCATOR_VARIABLE) == "system" or platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    # One arena: those that other threads get of their own consist of pieces of 64 MB, which large tensors do not fit into.
    settings = ((M_ARENA_MAX, 1), (M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, KEEP_BYTES), (M_TOP_PAD, 2**26))
    return all(mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in settings)
