"""Atomic writes, and reading back what was written."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, to write to.

    It replaces `path` when the block succeeds, else it is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".writing-{secrets.token_hex(6)}{path.suffix}")
    try:  # before it is made: a signal may end the process right after
        # Who may read it, the umask says; mkstemp's are for the owner alone, and shares refuse
        # chmod.
        temporary.touch(exist_ok=False)
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; {} where there is no such file, or something else in it."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def sources_sha256(root: Path, paths: Iterable[Path]) -> str:
    """One hash over files below `root`, their names and contents, in whatever order they come."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(
            f"{path.relative_to(root).as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode()
        )
    return total.hexdigest()
