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
#: What a process may hold resident while it streams before it hands back what is free, in bytes.
STREAMING_BYTES = 1 << 30


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


def hand_back(above: int = STREAMING_BYTES) -> bool:
    """Give the kernel back what the allocator keeps but does not use, where the process holds more than `above` bytes.

    One arena and no maps of their own keep a forward pass fast, but over hours the heap frays: pieces in use lie between
    pieces too small for the next tensor, and it grows. Pages in the gaps can be handed back at any time; a pass then touches
    them anew, so it is done only where it matters. Returns whether it was done.
    """
    try:
        with open("/proc/self/statm") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return False
    if resident <= above or platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).malloc_trim(0))
