"""A file as a decoder should see it: stretches of it, and bytes that stand for others."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

#: A stretch of the file, from one byte to another, or bytes in its place.
Piece = tuple[int, int] | bytes


class View(io.RawIOBase):
    """Pieces of the file at `path`, one after another, as a file of its own; for reading only."""

    def __init__(self, path: Path, pieces: Sequence[Piece]) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._pieces = [piece for piece in pieces if _length(piece)]
        self._ends = list(accumulate(map(_length, self._pieces)))
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """To a byte of the view."""
        size = self._ends[-1] if self._ends else 0
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def tell(self) -> int:
        """The byte that comes next."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the view goes."""
        wanted, filled = memoryview(buffer).cast("B"), 0
        while filled < len(wanted) and (piece := self._next(len(wanted) - filled)):
            wanted[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._at += len(piece)
        return filled

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()

    def _next(self, most: int) -> bytes:
        """Up to so many bytes of the piece that comes next."""
        index = bisect_right(self._ends, self._at)
        if index == len(self._pieces):
            return b""
        piece, inside = self._pieces[index], self._at - (self._ends[index - 1] if index else 0)
        if isinstance(piece, bytes):
            return piece[inside : inside + most]
        start, end = piece
        self._file.seek(start + inside)
        return self._file.read(min(most, end - start - inside))


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
