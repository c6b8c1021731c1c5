"""The blocks that a long sound is worked on in, with context on both sides."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from speechclean.audio.stft import window_length
from speechclean.audio.stream import LongAudio

#: Least length of a block in seconds; rounded up to the stages' common grid.
BLOCK_S = 5.0


@dataclass(frozen=True)
class Block:
    """Samples `start` to `end` of a sound, read from `first` to `last`."""

    start: int
    end: int
    first: int
    last: int

    def inner(self, waveform: Tensor) -> Tensor:
        """Samples `start` to `end` of what was made of samples `first` to `last`."""
        return waveform[..., self.start - self.first : self.end - self.first]


def grid(
    sound: LongAudio, rates: Sequence[int], stages: Sequence[Any], context_s: float
) -> Iterator[Block]:
    """Blocks whose edges are whole samples at all rates and whole hops of the stages' STFTs.

    A stage that looks further than its window says so in `context_s`.
    """
    windows = [
        window_length(sound.sample_rate, stage.window_s)
        for stage in stages
        if hasattr(stage, "window_s")
    ]
    # Windows are powers of two: a whole hop of the longest is whole hops of all.
    longest = max(windows, default=64)
    unit = math.lcm(
        longest // 4, *(sound.sample_rate // math.gcd(sound.sample_rate, rate) for rate in rates)
    )
    size = unit * math.ceil(BLOCK_S * sound.sample_rate / unit)
    context_s += sum(getattr(stage, "context_s", 0.0) for stage in stages)
    context = unit * math.ceil((context_s * sound.sample_rate + longest) / unit)
    for start in range(0, sound.samples, size):
        end = min(start + size, sound.samples)
        yield Block(start, end, max(0, start - context), min(end + context, sound.samples))
