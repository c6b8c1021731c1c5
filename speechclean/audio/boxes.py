"""Containers of films and of compressed sound that FFmpeg reads: which it is, and what is cut off.

Answered by the file's own bytes, whatever its name. FFmpeg is given the demuxer that is named here
and never looks for another one: some of them open files and addresses that a file names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .containers import RIFF, Form, chunks

#: As many bytes of a file tell which it is.
HEAD = 16
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_MAGICS = {
    b"\x1a\x45\xdf\xa3": "matroska",
    _ASF: "asf",
    b"#!AMR": "amr",
    b"FLV\1": "flv",
    b"wvpk": "wv",
    b"ADIF": "aac",
}
#: Objects of ASF: their length counts their head. That of the data begins with these bytes.
_OBJECTS = Form(0, 16, 8, "little", 1, True)
_ASF_DATA = bytes.fromhex("3626b275")
_SEGMENT = b"\x18\x53\x80\x67"


def demuxer_of(head: bytes) -> str:
    """FFmpeg's name of what begins with these bytes, at least `HEAD` of them; "" for others."""
    if head[4:8] in _BOXES and head[0] < 0x09:  # of a text, it would be a tab at least
        return "mov"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[:1] == b"\xff" and head[1:2] in (b"\xf0", b"\xf1", b"\xf8", b"\xf9"):
        return "aac"
    return next((name for magic, name in _MAGICS.items() if head.startswith(magic)), "")


def missing(path: Path, demuxer: str) -> str:
    """What is cut off of a container, in words; empty where its bytes do not tell."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if demuxer == "mov":
            boxes = list(_boxes(file, size))
            names = {name for name, _ in boxes}
            if not names & {b"moov", b"moof"}:
                return "its index (the moov box) is not there"
            # Without fragments the index has the last word: what it promises, `media` asks for.
            promised = boxes[-1][1] if b"moof" in names else 0
        elif demuxer == "matroska":
            promised = _segment_end(file.read(4096))
        elif demuxer == "asf":
            promised = _end(file, _OBJECTS, _ASF_DATA, size)
        else:
            promised = _end(file, RIFF, b"LIST", size) if demuxer == "avi" else 0
    return f"its header promises {promised - size} more bytes" if promised > size else ""


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Names of the outermost boxes of an mp4, and where each of them ends."""
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4])
        if length == 1:  # of 64 bits
            length = int.from_bytes(head[8:])
        yield head[4:8], at + length if length else size
        if length < 8:  # 0: to the end of the file
            return
        at += length


def _segment_end(head: bytes) -> int:
    """Where the segment of a Matroska file ends; 0 where that was not known."""
    at = head.find(_SEGMENT) + len(_SEGMENT)
    if at < len(_SEGMENT) or at >= len(head):
        return 0
    width = 9 - head[at].bit_length()
    rest = (1 << 7 * width) - 1
    length = int.from_bytes(head[at : at + width]) & rest
    return 0 if length == rest else at + width + length


def _end(file: BinaryIO, form: Form, name: bytes, size: int) -> int:
    """Where the last chunk of a name ends; 0 where there is none."""
    found = chunks(file, form, form.first, size)
    return max((start + length for one, start, length in found if one == name), default=0)
