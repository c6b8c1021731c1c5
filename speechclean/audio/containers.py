"""Containers of uncompressed sound: how much their headers promise, and how much there is.

wav (RIFF, RF64), W64, AIFF, CAF and au. Writers that send to a pipe cannot know the length when
they write the header: they leave nothing there, or a large round number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from .views import Piece

#: Sizes that stand for "until the end of the file": what fits into signed or unsigned numbers of
#: 32 bits, a gibibyte, two thousand million. Headers may be counted in or taken off, and players
#: round down to whole pages.
ROUND = (2**30, 2 * 10**9, 2**31, 2**32)
NEAR = 4096


@dataclass(frozen=True)
class Payload:
    """Where samples begin in a file, how many bytes the header promises, and how many are there.

    `open` says that no length was promised.
    """

    start: int
    promised: int
    there: int
    open: bool = False

    @property
    def missing(self) -> int:
        """Bytes that were promised and are not there."""
        return 0 if self.open else max(0, self.promised - self.there)


@dataclass(frozen=True)
class Form:
    """How a container's chunks are written: byte order, lengths of names and sizes, padding."""

    first: int  #: where the first chunk begins
    name: int
    size: int
    order: Literal["little", "big"]
    align: int
    counts_header: bool
    data: bytes = b""
    skipped: int = 0  #: bytes at the beginning of the data chunk that are no samples


RIFF = Form(12, 4, 4, "little", 2, False, b"data")
_FORMS = {
    b"RIFF": RIFF,
    b"RF64": RIFF,
    b"RIFX": Form(12, 4, 4, "big", 2, False, b"data"),
    b"FORM": Form(12, 4, 4, "big", 2, False, b"SSND", 8),
    b"riff": Form(40, 16, 8, "little", 8, True, b"data"),
    b"caff": Form(8, 4, 8, "big", 1, False, b"data", 4),
}


def payload(path: Path) -> Payload | None:
    """The samples of an uncompressed container; None for other files, and where there are none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(4)
        if magic == b".snd":
            start, promised = _number(file, 4, "big"), _number(file, 4, "big")
            return Payload(start, promised, size - start, promised == 2**32 - 1)
        if (form := _FORMS.get(magic)) is None:
            return None
        whole = _number(file, form.size, form.order) if form.size == 4 else 0
        long = 0
        for name, start, length in chunks(file, form, form.first, size):
            if magic == b"RF64" and name == b"ds64":
                file.seek(start + 8)
                long = _number(file, 8, "little")
            elif name == form.data:
                promised = long if long and length == 2**32 - 1 else length
                start, promised = start + form.skipped, max(0, promised - form.skipped)
                found = Payload(start, promised, max(0, size - start))
                return _judged(found, whole, size, file, form)
    return None


def _judged(found: Payload, whole: int, size: int, file: BinaryIO, form: Form) -> Payload:
    """A payload with what its promise is worth. `whole` is the length that the container has."""
    start, promised, there = found.start, found.promised, found.there
    if form.size == 8:  # of 64 bits: -1 where it is not known
        unknown = promised + form.skipped >= 2**63
    elif promised == 0:
        unknown = there > 0 and not _only_chunks(file, form, start, size)
    else:
        unknown = promised > there and any(abs(promised - one) <= NEAR for one in ROUND)
        # What counts the header as well is the size of the file, and says so twice.
        unknown = unknown or (promised in (size, size - 8) and whole <= size)
    return Payload(start, promised, there, unknown)


def _only_chunks(file: BinaryIO, form: Form, at: int, size: int) -> bool:
    """Whether nothing but whole chunks with names follows."""
    for name, start, length in chunks(file, form, at, size):
        if not name.isalnum() and not name.strip().isalnum():
            return False
        at = start + length + length % form.align
    return at in (size, size + 1)


def chunks(file: BinaryIO, form: Form, at: int, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Names, starts and lengths of the chunks from a byte on, in a file of a size in bytes.

    Of longer names only the first four bytes are given.
    """
    head = form.name + form.size
    while at < size:  # a length of 64 bits leads to where nothing can be looked for
        file.seek(at)
        if len(file.read(head)) < head:
            return
        file.seek(at)
        name = file.read(form.name)[:4]
        length = _number(file, form.size, form.order)
        if form.counts_header:
            length = max(0, length - head)
        yield name, at + head, length
        at += head + length + -length % form.align


def _number(file: BinaryIO, size: int, order: Literal["little", "big"]) -> int:
    return int.from_bytes(file.read(size), order)


def until_the_end(path: Path, found: Payload) -> list[Piece] | None:
    """A wav whose samples go on to the end of the file, in the form that libsndfile takes for one.

    To it a container of 8 bytes with no data is one that was never closed. None for what is no wav
    of 32-bit sizes: it reads the others as far as they go.
    """
    with path.open("rb") as file:
        if file.read(4) != b"RIFF":
            return None
    size = (8).to_bytes(4, "little")
    return [(0, 4), size, (8, found.start - 4), bytes(4), (found.start, found.start + found.there)]
