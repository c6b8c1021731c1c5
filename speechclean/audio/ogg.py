"""Pages of ogg: which streams follow one another in a file, and whether the last has its end."""

from __future__ import annotations

from dataclasses import dataclass
from mmap import mmap

_HEAD = 27
_BEGINS, _ENDS = 2, 4


@dataclass(frozen=True)
class Pages:
    """What the pages of a file are.

    links: from where to where each of the streams lies, one after another
    ended: whether the last page of the file is there, and is the end of its stream
    """

    links: list[tuple[int, int]]
    ended: bool


def pages(content: mmap) -> Pages | None:
    """The pages of a file's bytes; None where there are none."""
    starts: list[int] = []
    at, end, began, ended = content.find(b"OggS"), 0, False, False
    while at >= 0 and len(head := content[at : at + _HEAD]) == _HEAD:
        segments = content[at + _HEAD : at + _HEAD + head[26]]
        begins = bool(head[5] & _BEGINS)
        if begins and not began:
            starts.append(at)
        began, ended = begins, bool(head[5] & _ENDS)
        end = at + _HEAD + head[26] + sum(segments)
        ended = ended and end <= len(content) and len(segments) == head[26]
        at = content.find(b"OggS", end)
    if not starts:
        return None
    starts[0] = 0  # what lies before the first page is for the decoder to judge
    # Half a page's head at the end is one that was cut off.
    ended = ended and content[end : end + 4] != b"OggS"
    return Pages(list(zip(starts, [*starts[1:], len(content)], strict=True)), ended)
