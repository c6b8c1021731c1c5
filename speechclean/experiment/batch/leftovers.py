"""What killed processes leave half-written in a batch's folder."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from speechclean.records.run_folder import CLEANED, CLIPS, DELIVERY_FOLDER, PLOTS

#: Names of what is being written, by `atomic_files`, `clean` and `disk_errors`: these exactly,
#: since somebody else's file may begin as they do. The eight letters are tempfile's.
LEFTOVER = re.compile(
    r"\.writing-([0-9a-f]{12}|[a-z0-9_]{8})(\.\w+)?|\.streaming-[a-z0-9_]{8}|\.probe-[0-9]+"
)
#: Where in its folder a batch writes, besides the folder itself.
SUBFOLDERS = (CLEANED, CLIPS, PLOTS, DELIVERY_FOLDER)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half-written, in the places where a batch writes.

    Only the holder of the folder's lock may, and only while no worker is at work.
    """
    found = [*folder.iterdir()] if folder.is_dir() else []
    for subfolder in SUBFOLDERS:
        for root, folders, files in os.walk(folder / subfolder):
            found += (Path(root, name) for name in [*folders, *files])
    for path in found:
        if not LEFTOVER.fullmatch(path.name):
            continue
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
