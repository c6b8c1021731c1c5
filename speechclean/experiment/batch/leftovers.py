"""What killed processes leave half-written in a batch's folder."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from speechclean.records.run_folder import CLEANED, CLIPS, DELIVERY_FOLDER, PLOTS

#: Beginnings of the names of files that are being written.
LEFTOVERS = (".writing-", ".streaming-", ".probe-")
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
        if not path.name.startswith(LEFTOVERS):
            continue
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
