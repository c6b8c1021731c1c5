"""Headers of written wav files, byte by byte: what libsndfile writes too much of."""

from __future__ import annotations

import os
import struct
from pathlib import Path


def remove_date(path: Path) -> None:
    """Zero the time of writing in a wav of floats, so that the same sound gives the same bytes.

    libsndfile puts it into the PEAK chunk.
    """
    with path.open("r+b") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RF64"):
            return
        while len(chunk := file.read(8)) == 8 and chunk[:4] != b"data":
            length = struct.unpack("<I", chunk[4:])[0]
            if chunk[:4] == b"PEAK":
                file.seek(4, os.SEEK_CUR)  # its version
                file.write(b"\0\0\0\0")
                return
            file.seek(length + length % 2, os.SEEK_CUR)
