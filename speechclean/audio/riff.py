"""Headers of wav files, byte by byte: what libsndfile does not look at, or writes too much of."""

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


def missing_bytes(path: Path) -> int:
    """Bytes that a wav's data chunk promises beyond the end of the file.

    0 for other formats, and for headers that were written before the length was known.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return 0
        while len(chunk := file.read(8)) == 8:
            name, length = chunk[:4], struct.unpack("<I", chunk[4:])[0]
            if name == b"data":
                # Writers that stream to a pipe leave 0 or 2^31-1 ... 2^32-1 here: "until the end of
                # the file".
                streamed = length == 0 or length >= 0x7FFFF000
                return 0 if streamed else max(0, file.tell() + length - size)
            file.seek(length + length % 2, os.SEEK_CUR)
    return 0
