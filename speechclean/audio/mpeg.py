"""Frames of MPEG audio layer III: where they are, how many were promised, and how many there are.

An mp3 has no header but that of each frame. What encoders write about the whole (Xing, Info, VBRI)
lies in a frame of its own, holds for what came out of them in one go, and is wrong once files are
joined or cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from mmap import mmap

from .views import Piece

#: Bit rates in kbit/s by index, and sample rates in Hz, for MPEG-1; MPEG-2 has half the rates.
_KBITS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HZ = (44100, 48000, 32000)
#: As many frames in a row are no accident.
SURE = 3
#: Frames by which encoders differ in what they count.
TOLERANCE = 1
_ZEROS = re.compile(rb"\0*")


@dataclass(frozen=True)
class Header:
    """A frame's header: its length in bytes, rate in Hz, channels, samples."""

    length: int
    rate: int
    channels: int
    samples: int

    @property
    def tag_at(self) -> int:
        """Where a Xing or Info tag begins in the frame: behind its side information."""
        long, short = (32, 17) if self.samples == 1152 else (17, 9)
        return 4 + (long if self.channels == 2 else short)


@dataclass
class Part:
    """What one encoder wrote in one go.

    header, head: of its first frame, as it is read and as it is written
    tagged: whether that is a tag; promised: how many frames the tag says, if it does
    frames: how many there are besides the tag's own
    constant: whether they are all of one length, but for padding
    stretches: where they all lie in the file
    """

    header: Header
    head: bytes
    tagged: bool = False
    promised: int | None = None
    frames: int = 0
    constant: bool = True
    stretches: list[tuple[int, int]] = field(default_factory=list)

    @property
    def true(self) -> bool:
        """Whether its tag says what it holds, or it can be counted without a tag."""
        if not self.tagged:
            return self.constant
        return self.promised is not None and abs(self.promised - self.frames) <= TOLERANCE

    def pieces(self) -> list[Piece]:
        """The part as a file of its own, with a tag that is true."""
        if self.true:
            return list(self.stretches)
        first, *others = self.stretches
        if self.tagged:
            first = (first[0] + self.header.length, first[1])
        return [_tag(self.head, self.frames), first, *others]


@dataclass
class Frames:
    """All parts of a file.

    `cut` says that the last frame is not whole; `gaps` that there is something between frames.
    """

    parts: list[Part] = field(default_factory=list)
    cut: bool = False
    gaps: bool = False

    @property
    def missing(self) -> int:
        """Frames that were promised and are not there."""
        lost = [part.promised - part.frames for part in self.parts if part.promised is not None]
        return sum(one for one in lost if one > TOLERANCE)


def frames(content: mmap) -> Frames | None:
    """The frames of a file's bytes; None where there are none of layer III.

    Tags of players (ID3, APE) and what is none of a frame's bytes are passed over.
    """
    found = Frames()
    at = first = _next(content, past_tags(content, 0))
    if first is None:
        return None
    found.gaps = first != past_tags(content, 0)
    while at is not None and at < len(content):
        header = header_at(content, at)
        if header is None:
            behind = past_tags(content, at)
            at = behind if behind > at else _next(content, at)
            found.gaps |= at is not None and behind != at
            continue
        if at + header.length > len(content):
            found.cut = True
            break
        _take(found, content, at, header)
        at += header.length
    return found if found.parts else None


def header_at(content: mmap | bytes, at: int) -> Header | None:
    """The header that begins at a byte; None where there is none of layer III."""
    if at + 4 > len(content) or content[at] != 0xFF:
        return None
    second, third, fourth = content[at + 1 : at + 4]
    version, kbits, hz = second >> 3 & 3, third >> 4, third >> 2 & 3
    if second & 0xE6 != 0xE2 or version == 1 or kbits in (0, 15) or hz == 3:
        return None
    halved = {3: 1, 2: 2, 0: 4}[version]
    rate, samples = _HZ[hz] // halved, 1152 if halved == 1 else 576
    bits = _KBITS[min(halved, 2)][kbits] * 1000
    length = samples // 8 * bits // rate + (third >> 1 & 1)
    return Header(length, rate, 1 if fourth >> 6 == 3 else 2, samples)


def _take(found: Frames, content: mmap, at: int, header: Header) -> None:
    """Add a frame: to the part that it goes on, or as the beginning of another."""
    tagged, promised = _promise(content[at : at + header.length], header)
    last = found.parts[-1] if found.parts else None
    same = last is not None and (last.header.rate, last.header.channels) == (
        header.rate,
        header.channels,
    )
    if last is None or tagged or not same:
        last = Part(header, content[at : at + 4], tagged, promised)
        found.parts.append(last)
    last.frames += not tagged
    last.constant &= abs(header.length - last.header.length) <= 1
    if last.stretches and last.stretches[-1][1] == at:
        last.stretches[-1] = (last.stretches[-1][0], at + header.length)
    else:
        last.stretches.append((at, at + header.length))


def _promise(frame: bytes, header: Header) -> tuple[bool, int | None]:
    """Whether a frame is a tag, and how many frames it promises."""
    tag = frame[header.tag_at : header.tag_at + 12]
    if tag[:4] in (b"Xing", b"Info"):
        return True, int.from_bytes(tag[8:12]) if tag[7] & 1 else None
    if frame[36:40] == b"VBRI":
        return True, int.from_bytes(frame[50:54])
    return False, None


def _tag(head: bytes, count: int) -> bytes:
    """A frame that says how many frames follow, and nothing else: of the kind of another's head."""
    made = bytes([0xFF, head[1] | 1, 0xE0 | head[2] & 0x0C, head[3]])
    header = header_at(made, 0)
    assert header is not None
    tag = b"Info" + (1).to_bytes(4) + count.to_bytes(4)
    return (made.ljust(header.tag_at, b"\0") + tag).ljust(header.length, b"\0")


def _next(content: mmap, at: int) -> int | None:
    """Where the next frames begin: several in a row, or the last ones of the file."""
    while (at := content.find(b"\xff", at)) >= 0:
        here, sure = at, 0
        while sure < SURE and (header := header_at(content, here)) is not None:
            here, sure = here + header.length, sure + 1
        if sure == SURE or (sure and here == len(content)):
            return at
        at += 1
    return None


def past_tags(content: mmap, at: int) -> int:
    """Where what a player wrote for itself ends: ID3 and APE tags, and zeros."""
    while True:
        head = content[at : at + 32]
        if head[:3] == b"ID3" and len(head) >= 10:
            size = sum((byte & 0x7F) << 7 * (3 - place) for place, byte in enumerate(head[6:10]))
            at += 10 + size + (10 if head[5] & 0x10 else 0)
        elif head[:3] == b"TAG":
            at += 128
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            at += 32 + (int.from_bytes(head[12:16], "little") if head[23] & 0x20 else 0)
        elif head[:1] == b"\0":
            zeros = _ZEROS.match(content, at)
            at = zeros.end() if zeros else at
        else:
            return min(at, len(content))
