"""Settings of the process that computing on a CPU gains from: what the C library's allocator does
with large blocks.
"""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

#: Set to `system` to leave the allocator alone.
ALLOCATOR_VARIABLE = "SPEECHCLEAN_ALLOCATOR"
#: Numbers of mallopt's parameters (glibc's malloc.h).
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8
#: Freed memory up to this much at the heap's end is kept for the next tensor.
KEEP_BYTES = 2**31 - 1
#: Networks from this size on have tensors that only one common arena takes well (embedded: 1.3
#: million at most; htdemucs: 42).
LARGE_PARAMETERS = 10_000_000
#: What a process may hold resident while it streams before it hands back what is free, in bytes.
STREAMING_BYTES = 1 << 30


def keep_freed_memory(module: torch.nn.Module | None = None) -> bool:
    """Let glibc keep what is freed instead of handing it back to the kernel at once; whether that
    could be set.

    A forward pass allocates and frees tensors of up to tens of megabytes by the hundred. Left to
    itself, glibc maps large ones anew, and the kernel clears them page by page while they are
    filled. The setting holds for the whole process. Without the `module` that is to run, it is
    taken for a large one.

    Large networks share one arena: what other threads get of their own consists of pieces of 64 MB,
    which large tensors do not fit into, and which are mapped anew all the time (mdx_extra_q takes a
    quarter longer then, and a gigabyte more). In small networks passes side by side wait for one
    another at a common arena, and find their memory in the other core's cache: with arenas of their
    own a batch of short clips takes three quarters of the time.
    """
    large = (
        module is None
        or sum(parameter.numel() for parameter in module.parameters()) >= LARGE_PARAMETERS
    )
    return _kept(one_arena=large)


@cache
def _kept(one_arena: bool) -> bool:
    if os.environ.get(ALLOCATOR_VARIABLE) == "system" or platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = [(M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, KEEP_BYTES), (M_TOP_PAD, 2**26)]
    settings += [(M_ARENA_MAX, 1)] if one_arena else []
    return all(mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in settings)


def hand_back(above: int = STREAMING_BYTES) -> bool:
    """Give the kernel back what the allocator keeps but does not use, where the process holds more
    than `above` bytes.

    A heap without maps of their own keeps a forward pass fast, but over hours the heap frays:
    pieces in use lie between pieces too small for the next tensor, and it grows. Pages in the gaps
    can be handed back at any time; a pass then touches them anew, so it is done only where it
    matters. Returns whether it was done.
    """
    try:
        with open("/proc/self/statm") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return False
    if resident <= above or platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).malloc_trim(0))
