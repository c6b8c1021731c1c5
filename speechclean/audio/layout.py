"""What a sound file holds, whatever its header promises: the parts to decode, and what is cut off.

All that is asked here is answered by the file's own bytes. The decoder has the last word: what a
lossless header promises is compared with what comes out of it.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from . import boxes, containers, mpeg, ogg
from .views import Piece, View

#: What begins an mp3: ID3, or the sync of a frame.
_MPEG = (b"ID3", b"\xff\xe2", b"\xff\xe3", b"\xff\xf2", b"\xff\xf3", b"\xff\xfa", b"\xff\xfb")
#: What begins a FLAC: its name, and the head of STREAMINFO.
_FLAC = b"fLaC\x00\x00\x00\x22"
#: In a FLAC's STREAMINFO: the byte whose lower half begins the number of samples, and its end.
_SAMPLES_AT, _SAMPLES_END = 21, 26


@dataclass(frozen=True)
class Layout:
    """How a file has to be read.

    parts: what to decode, one after another; None stands for the whole file as it is
    missing: what is cut off, in words; empty where nothing tells
    promised: samples that the header of a lossless file promises, where it knows
    measured: whether the length that libsndfile reports is that of what is there
    demuxer: of FFmpeg, for what libsndfile does not read
    prints: whether its decoder may print warnings itself, as that of mp3 does
    """

    parts: tuple[Sequence[Piece] | None, ...] = (None,)
    missing: str = ""
    promised: int | None = None
    measured: bool = False
    demuxer: str = ""
    prints: bool = False

    @contextmanager
    def opened(self, path: Path, part: int = 0) -> Iterator[bytes | View]:
        """What a decoder is given of one part; names are bytes, for they may be no UTF-8."""
        pieces = self.parts[part]
        if pieces is None:
            yield bytes(path)
        else:
            with View(path, pieces) as view:
                yield view


def is_joined_flac(path: Path) -> bool:
    """Whether a FLAC begins anew inside of a file: to its decoder that is no sound.

    All of the file is looked through.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content[:4] == _FLAC[:4] and content.find(_FLAC, 4) > 0


def layout_of(path: Path) -> Layout:
    """The layout of a regular file that is not empty. Raises `OSError` if it cannot be read."""
    with path.open("rb") as file:
        demuxer = boxes.demuxer_of(file.read(boxes.HEAD))
    if demuxer:
        return _media(path, demuxer)
    if (found := containers.payload(path)) is not None:
        missing = f"its header promises {found.missing} more bytes" if found.missing else ""
        whole = containers.until_the_end(path, found) if found.open else None
        return Layout((whole,), missing, measured=True)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        head = content[:_SAMPLES_END]
        if head[:4] == b"fLaC":
            return _flac(head, len(content))
        if head[:4] == b"OggS":
            return _ogg(content)
        if head.startswith(_MPEG) or path.suffix.lower() == ".mp3":
            return replace(_mp3(path, content), prints=True)
    return Layout(prints=True)  # mp3 among others: libsndfile looks for frames anywhere


def _media(path: Path, demuxer: str) -> Layout:
    return Layout(missing=boxes.missing(path, demuxer), demuxer=demuxer)


def _flac(head: bytes, size: int) -> Layout:
    """Without the promise, libFLAC decodes to the end: with it, no further, or not at all."""
    if len(head) < _SAMPLES_END:
        return Layout()
    promised = int.from_bytes(head[_SAMPLES_AT:]) & (2**36 - 1)
    unsaid = bytes([head[_SAMPLES_AT] & 0xF0, 0, 0, 0, 0])
    view: list[Piece] = [(0, _SAMPLES_AT), unsaid, (_SAMPLES_END, size)]
    return Layout((view,), promised=promised or None)


def _ogg(content: mmap.mmap) -> Layout:
    found = ogg.pages(content)
    if found is None:
        return Layout()
    missing = "" if found.ended else "its last page is not the end of a stream"
    if len(found.links) == 1:
        return Layout(missing=missing)
    return Layout(tuple([link] for link in found.links), missing)


def _mp3(path: Path, content: mmap.mmap) -> Layout:
    found = mpeg.frames(content)
    if found is None:
        behind = mpeg.past_tags(content, 0)
        demuxer = boxes.demuxer_of(content[behind : behind + boxes.HEAD])
        return _media(path, demuxer) if demuxer == "aac" else Layout()
    missing = f"its header promises {found.missing} more frames" if found.missing else ""
    if found.cut and not missing:
        missing = "its last frame is not whole"
    (first, *others) = found.parts
    if not others and first.true and not found.gaps:
        return Layout(missing=missing)
    parts = (part for part in found.parts if part.frames)
    return Layout(tuple(part.pieces() for part in parts) or (None,), missing)
