"""Shifts and segments: a waveform cut for a network that takes a few seconds, and put together.

The scheme is that of demucs (`demucs.apply.apply_model`): each shift pads the waveform by half a
second on both sides, starts at an offset inside the padding, and cuts segments every `(1 -
overlap)` of their length; overlapping answers are averaged under a triangular weight. What differs:
the offsets come from a hash and not from the global random generator, so that the samples depend
neither on the batch nor on the order of files, and `shifts=4` contains the work of `shifts=2`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

#: Longest offset of the shift trick, in seconds (demucs' own).
MAX_SHIFT_S = 0.5


@dataclass(frozen=True)
class Segment:
    """A stretch of a waveform: samples `start` to `start + length`.

    A negative start lies in the padding before the waveform.
    """

    start: int
    length: int


class Fingerprint:
    """The sha256 of a waveform's samples, fed in stretches `[channels, samples]`.

    The shift offsets are derived from it.
    """

    def __init__(self) -> None:
        self._hashes: list[Any] = []

    def feed(self, waveform: Tensor) -> None:
        """Add the next stretch."""
        self._hashes = self._hashes or [hashlib.sha256() for _ in waveform]
        for channel, samples in zip(self._hashes, waveform.contiguous().cpu(), strict=True):
            channel.update(samples.numpy().tobytes())

    def hexdigest(self) -> str:
        """The fingerprint of everything that was fed."""
        # Channel by channel, so that it does not matter where the stretches end.
        return hashlib.sha256(b"".join(channel.digest() for channel in self._hashes)).hexdigest()


def fingerprint(waveform: Tensor) -> str:
    """The `Fingerprint` of a whole waveform `[channels, samples]`."""
    whole = Fingerprint()
    whole.feed(waveform)
    return whole.hexdigest()


def shift_offset(seed: int, model: str, content: str, index: int, max_shift: int) -> int:
    """The offset of one shift, in 0..max_shift samples.

    It is a hash of seed, model, content of the input and shift index.

    >>> shift_offset(0, "m", "c", 1, 100) == shift_offset(0, "m", "c", 1, 100)
    True
    """
    digest = hashlib.sha256(f"{seed}|{model}|{content}|{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (max_shift + 1)


def plan(
    samples: int, offset: int | None, max_shift: int, segment: int, overlap: float
) -> list[Segment]:
    """The segments of one shift over a waveform of `samples`, which they cover from end to end.

    `offset=None` is a pass without a shift.
    """
    start = 0 if offset is None else offset - max_shift
    stride = max(1, int((1 - overlap) * segment))
    return [
        Segment(position, min(segment, samples - position))
        for position in range(start, samples, stride)
    ]


def cut(waveform: Tensor, segment: Segment, length: int, before: int = 0) -> Tensor:
    """A segment with context on both sides up to `length` samples, zeros beyond the waveform.

    Segments count from sample `before` of the waveform.

    Shape: `[channels, samples]` -> `[channels, length]`; the segment begins at sample
    `margin(segment, length)`.
    """
    start = before + segment.start - margin(segment, length)
    end = start + length
    first, last = max(start, 0), min(end, waveform.shape[-1])
    if first >= last:
        return waveform.new_zeros(*waveform.shape[:-1], length)
    return functional.pad(waveform[..., first:last], (first - start, end - last))


def margin(segment: Segment, length: int) -> int:
    """How many samples of context precede a segment that is widened to `length`.

    Demucs centres it.
    """
    return (length - segment.length) // 2


@lru_cache(maxsize=16)
def triangle(length: int, device: torch.device | None = None) -> Tensor:
    """The weight of overlap-add, rising to 1 in the middle. Shape: `[length]`.

    All callers share one tensor: it is not to be changed.

    >>> triangle(4).tolist()
    [0.5, 1.0, 1.0, 0.5]
    """
    half = torch.arange(1, length // 2 + 1, device=device, dtype=torch.float32)
    rest = torch.arange(length - length // 2, 0, -1, device=device, dtype=torch.float32)
    weight = torch.cat([half, rest])
    return weight / weight.max()


class OverlapAdd:
    """Gathers the answers of one shift: a weighted mean wherever segments overlap.

    Shape: `[rows, channels, samples]`, and `extra` samples of context at either end, which the
    mean leaves out.
    """

    def __init__(
        self, shape: tuple[int, int, int], segment: int, device: torch.device, extra: int = 0
    ) -> None:
        self._inside = slice(extra, extra + shape[-1])
        self._sum = torch.zeros(*shape[:-1], shape[-1] + 2 * extra, device=device)
        self._weights = torch.zeros(self._sum.shape[-1], device=device)
        self._triangle = triangle(segment, device)

    def add(self, segment: Segment, answer: Tensor) -> None:
        """Add an answer `[rows, channels, segment.length]`.

        Samples outside the waveform are dropped.
        """
        first, last = (
            max(segment.start, 0),
            min(segment.start + segment.length, self._sum.shape[-1]),
        )
        if first >= last:
            return
        inside = slice(first - segment.start, last - segment.start)
        weight = self._triangle[inside]
        self._sum[..., first:last] += weight * answer[..., inside]
        self._weights[first:last] += weight

    def mean(self) -> Tensor:
        """The weighted mean `[rows, channels, samples]` of all that was added."""
        return self._sum[..., self._inside] / self._weights[self._inside]


T = TypeVar("T")


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive stretches of at most `size` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
