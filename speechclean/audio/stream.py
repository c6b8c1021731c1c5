"""Sounds too long for memory: read in chunks from the disk, each reader going forward only.

A reader is an iterator of chunks `[channels, samples]` of whatever length; `Forward` turns one into
windows that may overlap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import soxr
import torch
from torch import Tensor

from . import sound_files
from .dc_offset import significant_of

#: Length of what is read at once, in samples per channel.
CHUNK = 1 << 18

Chunks = Iterator[Tensor]


@dataclass(frozen=True)
class LongAudio:
    """A sound on the disk: a sound file, or with `raw` the float32 frames that a stage left.

    Shape: every chunk is float32 `[channels, samples]`; `sample_rate` in Hz, `samples` per channel.
    `offset` `[channels, 1]` is taken off all that is read.
    """

    path: Path
    sample_rate: int
    channels: int
    samples: int
    raw: bool = False
    offset: Tensor | None = field(default=None, compare=False)

    @classmethod
    def of(cls, path: Path, most_gb: float | None = None) -> LongAudio:
        """A sound file, with its true length.

        Raises `AudioError` when it cannot be read to its end, or when it takes more than `most_gb`.
        """
        info = sound_files.measured(path, most_gb)
        return cls(path, info.sample_rate, info.channels, info.samples)

    def chunks(self) -> Chunks:
        """From the beginning to the end.

        Raises `AudioError` where the file breaks off, or holds NaN or infinity.
        """
        if self.raw:
            return self._raw_chunks()
        chunks = sound_files.read_chunks(self.path, self.samples, CHUNK)
        return chunks if self.offset is None else (chunk - self.offset for chunk in chunks)

    def centred(self, above: float | None) -> LongAudio:
        """Itself without the offset of its channels, if one is above a limit (`dc_offset`)."""
        if above is None:
            return self
        return replace(self, offset=significant_of(self.chunks(), self.sample_rate, above))

    def at_rate(self, sample_rate: int) -> Chunks:
        """The same, resampled by soxr as `waveform.resample` does it."""
        return resampled(self.chunks(), self.sample_rate, sample_rate, self.channels)

    def read(self, start: int, end: int) -> Tensor:
        """A stretch of it. Shape: `[channels, end - start]`, less at the end of the sound."""
        if self.raw:
            frames = np.fromfile(
                self.path,
                np.float32,
                (end - start) * self.channels,
                offset=4 * start * self.channels,
            )
            return torch.from_numpy(frames.reshape(-1, self.channels).T.copy())
        part = sound_files.read_part(self.path, start, min(end, self.samples))
        return part if self.offset is None else part - self.offset

    def _raw_chunks(self) -> Chunks:
        for start in range(0, self.samples, CHUNK):
            yield self.read(start, min(start + CHUNK, self.samples))


def resampled(chunks: Chunks, source: int, target: int, channels: int) -> Chunks:
    """Chunks at another rate: the samples of `waveform.resample`, up to rounding."""
    if source == target:
        yield from chunks
        return
    stream = soxr.ResampleStream(source, target, channels, dtype="float32", quality="VHQ")
    held = next(chunks, None)
    while held is not None:
        following = next(chunks, None)
        frames = np.ascontiguousarray(held.T.numpy())
        dense = stream.resample_chunk(frames, last=following is None)
        yield torch.from_numpy(np.ascontiguousarray(dense.reshape(-1, channels).T))
        held = following


class Forward:
    """Windows of a stream of chunks `[..., samples]`, read forward.

    Each window begins at most `history` samples before the one before it.
    """

    def __init__(self, chunks: Chunks, history: int = 0) -> None:
        self._chunks = chunks
        self._history = history
        self._pieces: list[Tensor] = []
        self._start = 0  # of what is held
        self._end = 0

    def read(self, start: int, end: int) -> Tensor:
        """Samples `start` to `end`, less where the stream does not reach.

        Raises `ValueError` for a window that begins before what has already been let go.
        """
        start = max(0, start)
        if start < self._start:
            raise ValueError(
                f"a stream goes forward only: asked for {start}, "
                f"but what was before {self._start} is gone"
            )
        while self._end < end and (piece := next(self._chunks, None)) is not None:
            self._pieces.append(piece)
            self._end += piece.shape[-1]
            self._let_go(start - self._history)
        self._let_go(start - self._history)
        if not self._pieces:
            return torch.zeros(1, 0)
        if len(self._pieces) > 1:
            self._pieces = [torch.cat(self._pieces, -1)]
        return self._pieces[0][..., start - self._start : max(0, end - self._start)]

    def _let_go(self, before: int) -> None:
        """Drop the pieces that lie wholly before a sample; the last one stays, for its shape."""
        while len(self._pieces) > 1 and self._start + self._pieces[0].shape[-1] <= before:
            self._start += self._pieces.pop(0).shape[-1]
        if self._pieces and (drop := min(before - self._start, self._pieces[0].shape[-1])) > 0:
            # A view would keep the whole piece in memory.
            self._pieces[0] = self._pieces[0][..., drop:].clone()
            self._start += drop


class Moments:
    """Mean and standard deviation of a stream, in double precision."""

    def __init__(self) -> None:
        self._count, self._sum, self._squares = 0, 0.0, 0.0

    def feed(self, waveform: Tensor) -> None:
        """Take in a stretch of any shape."""
        values = waveform.double()
        self._count += values.numel()
        self._sum += float(values.sum())
        self._squares += float(values.square().sum())

    def deviation(self) -> float:
        """Standard deviation of all samples of all channels (divided by their number)."""
        if not self._count:
            return 0.0
        mean = self._sum / self._count
        return max(0.0, self._squares / self._count - mean * mean) ** 0.5


class RawWriter:
    """Float32 frames on the disk: what one pass leaves for the next, without rounding."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb")
        self._samples = 0

    def write(self, waveform: Tensor) -> None:
        """Append `[channels, samples]`."""
        waveform.T.contiguous().cpu().numpy().tofile(self._file)
        self._samples += waveform.shape[-1]

    def done(self, sample_rate: int, channels: int) -> LongAudio:
        """Close it; what can be read from it."""
        self._file.close()
        return LongAudio(self.path, sample_rate, channels, self._samples, raw=True)
