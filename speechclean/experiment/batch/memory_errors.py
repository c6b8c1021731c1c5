"""Failures for want of memory, which show in the words of an error alone."""

from __future__ import annotations

#: How such errors read: Python's, oneDNN's, torch's on a CPU and on a GPU.
WORDS = (
    "memoryerror",
    "could not create a primitive",
    "could not create a memory",
    "can't allocate memory",
    "out of memory",
    "outofmemoryerror",
    "cannot allocate memory",
)


def is_memory(reason: str) -> bool:
    """Whether a reason is want of memory."""
    return any(word in reason.lower() for word in WORDS)


def plain(reason: str, path: str) -> str:
    """A reason in one line; want of memory in plain words."""
    line = " ".join(reason.split())
    if not is_memory(line):
        return line
    return f"{path}: not enough memory, even alone ({line.removeprefix(path + ': ')})"
