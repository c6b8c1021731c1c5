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
