"""Whether an error is one file's, or the output folder takes no more files."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

#: A folder that takes nothing more: a quota is reached, it was made read-only, the medium is gone.
FOLDER_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.ENODEV,
    errno.ESTALE,
)
FULL = (errno.ENOSPC, errno.EDQUOT)
#: Beyond what a file needs, in bytes: what else is written, and blocks that begin.
SLACK = 2**20


def folder_error(error: Exception | None, folder: Path, needed: int) -> str:
    """Why a folder takes no more files; empty if it does.

    error: what went wrong at a file that needs so many bytes in the folder

    Found out by writing: libsndfile and numpy do not pass on the number of a failed write's error.
    """
    number = error.errno if isinstance(error, OSError) and error.errno in FULL else _tried(folder)
    if not number:
        with suppress(OSError):
            number = errno.ENOSPC if shutil.disk_usage(folder).free < needed + SLACK else 0
    return f"{folder} takes no more: {os.strerror(number)}" if number in FOLDER_ERRORS else ""


def _tried(folder: Path) -> int:
    """The number of the error that writing here raises; 0 for none."""
    probe = folder / f".probe-{os.getpid()}"
    try:
        probe.write_bytes(b"\0" * 2**16)
    except OSError as error:
        return error.errno or 0
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return 0
