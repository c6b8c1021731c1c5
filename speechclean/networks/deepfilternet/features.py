"""What DeepFilterNet hears and answers with: its STFT, its bands, how features are normalised.

Schröter et al., "DeepFilterNet" (ICASSP 2022; arXiv 2110.05588), section 2; the constants are those
of the published model's `config.ini` and of libDF. Frames are 20 ms long and 10 ms apart, at 48
kHz; a frame is centred on the first sample of its hop, so that nothing is delayed.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

RATE, WINDOW, HOP = 48000, 960, 480
BINS = WINDOW // 2 + 1
BANDS, LOW_BINS, LEAST_BINS = 32, 96, 2
#: The answer to a frame is for the one so many before it.
LOOKAHEAD = 2
#: The running means forget by this factor per frame: exp(-10 ms / 1 s), rounded to 3 places.
KEPT = 0.99
#: Where they start: the means of levels in dB, those of magnitudes, from the lowest to the highest.
FIRST_LEVELS, FIRST_MAGNITUDES = (-60.0, -90.0), (0.001, 0.0001)
#: Running means of this many frames are computed in one product.
_BLOCK = 100


def window(device: torch.device | None = None) -> Tensor:
    """The Vorbis window, whose square overlaps to one. Shape: `[960]`.

    >>> own = window()
    >>> torch.allclose(own[:480].square() + own[480:].square(), torch.ones(480))
    True
    """
    sine = torch.sin(math.pi * (torch.arange(WINDOW, dtype=torch.float64) + 0.5) / WINDOW)
    return torch.sin(math.pi / 2 * sine.square()).float().to(device)


def spectrum(waveform: Tensor) -> Tensor:
    """Frames of a waveform that begins half a window before the first and ends half after the last.

    Scaled as libDF does. Shape: `[rows, (frames + 1) * 480]` -> complex `[rows, frames, 481]`.
    """
    frames = waveform.unfold(-1, WINDOW, HOP) * window(waveform.device)
    return torch.fft.rfft(frames) / WINDOW


def overlap_add(frames: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
    """Synthesis: the samples that frames complete, and the half window that the last one leaves.

    `tail` is what the frames before left. Shape: complex `[rows, frames, 481]`, `[rows, 480]` ->
    `[rows, frames * 480]`, `[rows, 480]`.
    """
    pieces = torch.fft.irfft(frames * WINDOW, WINDOW) * window(frames.device)
    first, second = pieces.split(HOP, -1)
    tails = torch.cat([tail[:, None], second], 1)
    return (first + tails[:, :-1]).flatten(1), tails[:, -1].clone()


@cache
def band_widths() -> tuple[int, ...]:
    """How many bins each of the 32 bands has: equal steps on the ERB scale, two bins at least.

    Glasberg & Moore, "Derivation of auditory filter shapes from notched-noise data" (1990); how a
    band that is widened takes bins from the next is libDF's.

    >>> sum(band_widths()), band_widths()[0], band_widths()[-1]
    (481, 2, 67)
    """
    per_erb, scale = 9.265, 24.7 * 9.265
    top = per_erb * math.log1p(RATE / 2 / scale)
    widths, before, owed = [], 0, 0
    for band in range(1, BANDS + 1):
        edge = round(scale * math.expm1(band * top / BANDS / per_erb) / (RATE / WINDOW))
        wide = edge - before - owed
        owed, before = max(0, LEAST_BINS - wide), edge
        widths.append(max(wide, LEAST_BINS))
    widths[-1] += BINS - sum(widths)
    return tuple(widths)


def levels(frames: Tensor) -> Tensor:
    """Mean power of each band in dB. Shape: complex `[..., 481]` -> `[..., 32]`."""
    power = frames.real.square() + frames.imag.square()
    means = [band.mean(-1) for band in power.split(band_widths(), -1)]
    return 10 * torch.log10(torch.stack(means, -1) + 1e-10)


def of_bins(gains: Tensor) -> Tensor:
    """The gain of each band for all its bins. Shape: `[..., 32]` -> `[..., 481]`."""
    return gains.repeat_interleave(torch.tensor(band_widths(), device=gains.device), -1)


def first_means(rows: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Running means before the first frame. Shape: `[rows, 32]`, `[rows, 96]`."""
    starts = ((*FIRST_LEVELS, BANDS), (*FIRST_MAGNITUDES, LOW_BINS))
    one, other = (
        torch.linspace(first, last, count, device=device).expand(rows, -1)
        for first, last, count in starts
    )
    return one, other


def running_mean(values: Tensor, before: Tensor) -> Tensor:
    """s[t] = 0.99 s[t-1] + 0.01 x[t]: the mean up to every frame, given the one before the first.

    Written as a product with the triangle of powers of 0.99, some frames at a time.

    Shape: `[rows, frames, features]`, `[rows, features]` -> `[rows, frames, features]`.
    """
    steps = torch.arange(_BLOCK, device=values.device)
    ages = (steps[:, None] - steps).clamp(min=0)
    triangle = ((1 - KEPT) * KEPT ** ages.double() * (steps[:, None] >= steps)).to(values.dtype)
    decay = (KEPT ** (steps + 1).double()).to(values.dtype)[:, None]
    means = []
    for part in values.split(_BLOCK, 1):
        count = part.shape[1]
        means.append(triangle[:count, :count] @ part + decay[:count] * before[:, None])
        before = means[-1][:, -1]
    return torch.cat(means, 1)
