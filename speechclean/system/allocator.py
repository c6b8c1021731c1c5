"""What the C library's allocator does with large blocks, which decides over a CPU's speed."""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache
from pathlib import Path
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


_allowed = False


def allow() -> None:
    """Let networks that are loaded from now on choose the allocator's settings.

    For processes that do nothing else (`experiment.process`): a library leaves them alone.
    """
    global _allowed
    _allowed = True


def suit(network: torch.nn.Module) -> bool:
    """Choose the settings for a network that was loaded, where `allow` was called; whether it did.

    Large networks share one arena: what other threads get of their own consists of pieces of 64 MB,
    which large tensors do not fit into, and which are mapped anew all the time (mdx_extra_q takes a
    quarter longer then, and a gigabyte more). In small networks passes side by side wait for one
    another at a common arena, and find their memory in the other core's cache: with arenas of their
    own a batch of short clips takes three quarters of the time.
    """
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return _allowed and keep_freed_memory(one_arena=parameters >= LARGE_PARAMETERS)


@cache
def keep_freed_memory(one_arena: bool = True) -> bool:
    """Let glibc keep freed memory instead of returning it to the kernel; whether that could be set.

    A forward pass allocates and frees tensors of up to tens of megabytes by the hundred. Left to
    itself, glibc maps large ones anew, and the kernel clears them page by page while they are
    filled. The setting holds for the whole process, in which it replaces what the host chose:
    libraries call `suit` instead.
    """
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
    """Return unused memory to the kernel if the process holds more than `above` bytes.

    A heap without maps of their own keeps a forward pass fast, but over hours it fragments: pieces
    in use lie between pieces too small for the next tensor, and it grows. Pages in the gaps can be
    returned at any time; a pass then touches them anew, so it is done only where it matters.
    Returns whether it was done.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident = pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return False
    if resident <= above or platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).malloc_trim(0))
