"""What is fuzzed: how an input is made, and what must hold of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True)
class Target:
    """A reader of what comes from outside.

    name: a word for the command line; what: for the table
    inputs: the bytes that it is given
    check: reads the bytes in a scratch folder; raises for whatever must not be
    """

    name: str
    what: str
    inputs: SearchStrategy[bytes]
    check: Callable[[bytes, Path], None]


class BrokenPromiseError(AssertionError):
    """A reader gave an answer that is neither right nor a refusal in plain words."""


def require_named(error: Exception, path: Path) -> None:
    """Raise `BrokenPromiseError` unless a refusal names its file."""
    if str(path) not in str(error):
        raise BrokenPromiseError(f"the refusal does not name the file: {error}")
