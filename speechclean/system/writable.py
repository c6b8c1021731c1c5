"""Whether a folder can be written, judged by looking alone."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from speechclean.system.paths import expanded


def why_not_writable(folder: Path) -> str | None:
    """Why no file can be made in a folder, or in the one in which it would be made.

    None if nothing is seen to stand in the way: what only the attempt can tell (a quota, a full
    disk, a server's own rules) is left to the attempt. Nothing is written.
    """
    path = expanded(folder).absolute()
    try:
        existing = next(parent for parent in (path, *path.parents) if parent.exists())
        if not existing.is_dir():
            return os.strerror(errno.ENOTDIR)
        filesystem = os.statvfs(existing)
        mode = existing.stat().st_mode
    except OSError as error:
        return error.strerror or str(error)
    # Permissions do not bind root: a read-only mount does.
    if filesystem.f_flag & os.ST_RDONLY:
        return os.strerror(errno.EROFS)
    if not os.access(existing, os.W_OK | os.X_OK):
        return os.strerror(errno.EACCES)
    # Nor do they tell root that /proc and /sys, which have no blocks, take no files. Network
    # filesystems may have no blocks either, but whose folder nobody at all may write is none.
    if not filesystem.f_blocks and not mode & 0o222:
        return os.strerror(errno.EPERM)
    return None
