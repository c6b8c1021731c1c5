"""Paths as users write them, and a home for those who have none."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """A path with `~` and `~name` as the folders of users; what names no user stays as it is.

    >>> expanded("~nobody-of-this-name/a.wav").as_posix()
    '~nobody-of-this-name/a.wav'
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 (Path's own raises for other names)


def home() -> Path:
    """The user's folder; one for temporary files where there is no user of that number, or HOME."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"speechclean-of-{os.getuid()}"


def exists(path: Path) -> bool:
    """Whether there is something at a path.

    False too for names that no file system takes, and where nobody may look: `Path.exists` raises
    there.

    >>> exists(Path("x" * 5000)), exists(Path(".."))
    (False, True)
    """
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: Path) -> bool:
    """Whether there is a file at a path; as `exists`."""
    return os.path.isfile(path)  # noqa: PTH113


def is_dir(path: Path) -> bool:
    """Whether there is a folder at a path; as `exists`."""
    return os.path.isdir(path)  # noqa: PTH112
