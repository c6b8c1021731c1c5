"""DeepFilterNet3 over whole waveforms, stretch by stretch, so that hours take little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional

from . import features
from .features import BINS, HOP, LOOKAHEAD, LOW_BINS
from .network import ORDER, DeepFilterNetwork, State

#: Frames in one pass. The answers depend on it by rounding alone.
STRETCH = 1000
#: `read(start, end)`: samples of all rows `[rows, end - start]`, less where the sound ends.
Read = Callable[[int, int], Tensor]


@torch.inference_mode()
def enhanced(network: DeepFilterNetwork, read: Read, rows: int, samples: int) -> Iterator[Tensor]:
    """The speech in waveforms of `samples` at 48 kHz, not delayed: pieces `[rows, some]` in order.

    Rows are independent of one another.
    """
    device = next(network.parameters()).device
    state, means = State.initial(rows, device), features.first_means(rows, device)
    past = torch.zeros(rows, ORDER - 1, BINS, dtype=torch.complex64, device=device)
    tail = torch.zeros(rows, HOP, device=device)
    frames = _frames(samples)
    for first in range(0, frames, STRETCH):
        last = min(first + STRETCH, frames)
        heard = features.spectrum(_padded(read, (first - 1) * HOP, last * HOP, samples).to(device))
        levels, spectrum, means = _normalised(heard, means)
        gains, filters, state = network(levels, spectrum, state)
        heard = torch.cat([past, heard], 1)
        past = heard[:, 1 - ORDER :].clone()
        sound, tail = features.overlap_add(_filtered(heard, gains, filters), tail)
        # What is held here waits in memory while other networks are at work.
        del heard, levels, spectrum, gains, filters
        start = (first - LOOKAHEAD - 1) * HOP
        yield sound[:, max(0, -start) : max(0, samples - start)]


def count(samples: int) -> int:
    """How many passes a waveform of `samples` takes."""
    return -(-_frames(samples) // STRETCH)


def _frames(samples: int) -> int:
    """Frames until the one whose answer completes the last sample."""
    return -(-samples // HOP) + 1 + LOOKAHEAD


def _padded(read: Read, start: int, end: int, samples: int) -> Tensor:
    """Samples `start` to `end` of all rows, zeros where the sound does not reach."""
    part = read(max(0, start), max(0, min(end, samples)))
    return functional.pad(part, (max(0, -start), end - max(0, start) - part.shape[-1]))


def _normalised(
    heard: Tensor, means: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Levels less their running mean, low bins over the root of that of their magnitude.

    Shape: complex `[rows, frames, 481]` -> `[rows, frames, 32]`, complex `[rows, frames, 96]`; and
    the means to go on with.
    """
    levels, low = features.levels(heard), heard[..., :LOW_BINS]
    of_levels = features.running_mean(levels, means[0])
    of_low = features.running_mean(low.abs(), means[1])
    # In a long digital silence the mean dies away to zero.
    root = of_low.clamp(min=1e-20).sqrt()
    return (levels - of_levels) / 40, low / root, (of_levels[:, -1].clone(), of_low[:, -1].clone())


def _filtered(heard: Tensor, gains: Tensor, filters: Tensor) -> Tensor:
    """Each frame under its gains; its low bins are a sum over five frames, from two before it on.

    `heard` begins four frames before the newest one that the first answer knew of.

    Shape: complex `[rows, frames + 4, 481]`, `[rows, frames, 32]`, complex `[rows, frames, 96, 5]`
    -> complex `[rows, frames, 481]`.
    """
    count = gains.shape[1]
    answer = heard[:, LOOKAHEAD : LOOKAHEAD + count] * features.of_bins(gains)
    low = sum(
        filters[..., step] * heard[:, step : step + count, :LOW_BINS] for step in range(ORDER)
    )
    return torch.cat([low, answer[..., LOW_BINS:]], -1)  # type: ignore[list-item]
