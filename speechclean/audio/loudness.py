"""How loud a sound is: integrated loudness (LUFS) and true peak (dBTP) after ITU-R BS.1770-4.

Both the metrics and the loudness stage measure with these, so that what is reported is what was
set. A sound is measured in memory and as a stream by the same code.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import soxr
from torch import Tensor

from .waveform import Audio

#: What each of the channels whose place BS.1770 defines counts: left, right, centre, surrounds.
CHANNEL_WEIGHTS = (1.0, 1.0, 1.0, 1.41, 1.41)
_BLOCK_S, _STEP_S = 0.4, 0.1
_ABSOLUTE_GATE, _RELATIVE_GATE = -70.0, -10.0
_CHUNK_S = 10
#: The K-weighting of BS.1770 itself, moved to any rate by Brecht De Man: gain in dB, quality,
#: corner in Hz and type of pyloudnorm's filters. Its default only comes near (0.04 to 0.18 LU).
_K_WEIGHTING = (
    (3.99984385397, 0.7071752369554193, 1681.9744509555319, "high_shelf_DeMan"),
    (0.0, 0.5003270373253953, 38.13547087613982, "high_pass_DeMan"),
)


def integrated_lufs(audio: Audio) -> float | None:
    """Integrated, gated loudness in LUFS (BS.1770-4).

    None for silence and anything under the gate of -70 LUFS.

    - A sound shorter than one gating block (0.4 s) is measured as one block of its own length:
      padding with zeros would read a steady tone too low.
    - A block that the end cuts off is left out, as the standard says: a half-filled one would read
      a steady tone up to 0.6 LU too low.
    - One to five channels are taken as L, R, C, Ls, Rs. For more the layout cannot be known: each
      is measured and gated alone and counts once, and their powers are summed (two equal channels
      read 3 LU more than one).

    Shape: `[channels, samples]` -> a number.

    >>> import torch
    >>> tone = torch.sin(2 * torch.pi * 997 * torch.arange(48000.0) / 48000)[None]
    >>> round(integrated_lufs(Audio(tone, 48000)), 1)
    -3.0
    """
    meter = LoudnessMeter(audio.sample_rate, audio.channels)
    for piece in _pieces(audio):
        meter.feed(piece)
    return meter.lufs()


def true_peak_dbtp(audio: Audio, oversampling: int = 4) -> float | None:
    """Highest level in dBTP that the waveform reaches, between its samples too.

    None for digital silence.
    Oversamples as BS.1770-4 (annex 2) asks, by soxr, and is never below the sample peak. A factor
    of 4 reads at most 0.7 dB too low (a tone just under Nyquist), 8 at most 0.2 dB. The sound is
    taken to come out of silence and go back into it, as a player plays it, so a tone that is cut
    off hard reads its real overshoot there. Works through the sound in chunks of
    10 s: an hour takes no more memory than a minute.

    Shape: `[channels, samples]` -> a number.
    """
    meter = TruePeakMeter(audio.sample_rate, audio.channels, oversampling)
    for piece in _pieces(audio):
        meter.feed(piece)
    return meter.dbtp()


class TruePeakMeter:
    """`true_peak_dbtp` of a sound that is fed in stretches `[channels, samples]`."""

    def __init__(self, sample_rate: int, channels: int, oversampling: int = 4) -> None:
        if oversampling < 4:
            raise ValueError(f"oversampling must be at least 4 (BS.1770-4), got {oversampling}")
        self._stream = soxr.ResampleStream(
            sample_rate, sample_rate * oversampling, channels, dtype="float32", quality="HQ"
        )
        self._peak, self._dense_peak, self._channels = 0.0, 0.0, channels

    def feed(self, waveform: Tensor) -> None:
        """Take in the next stretch."""
        frames = np.ascontiguousarray(waveform.T.detach().cpu().numpy())
        self._peak = max(self._peak, float(np.abs(frames).max(initial=0)))
        self._advance(frames)

    def dbtp(self) -> float | None:
        """The true peak of all that was fed, which ends here.

        None for digital silence, NaN and infinity.
        """
        self._advance(np.zeros((0, self._channels), np.float32), last=True)
        if not self._peak or not np.isfinite(self._peak):
            return None
        return 20 * math.log10(max(self._peak, self._dense_peak))

    def _advance(self, frames: np.ndarray, last: bool = False) -> None:
        dense = self._stream.resample_chunk(frames, last=last)
        self._dense_peak = max(self._dense_peak, float(np.abs(dense).max(initial=0)))


class LoudnessMeter:
    """`integrated_lufs` of a sound that is fed in stretches `[channels, samples]`.

    Keeps no more than a gating block in memory. The filters are pyloudnorm's. The gating is its
    algorithm too, which wants the whole sound at once, in the same order of operations: what either
    reads of a sound of whole blocks is the same to the last bit.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        import pyloudnorm

        self._rate, self._channels = sample_rate, channels
        filters = [
            pyloudnorm.IIRfilter(gain_db, quality, hertz, sample_rate, kind)
            for gain_db, quality, hertz, kind in _K_WEIGHTING
        ]
        self._filters = [(one.b, one.a) for one in filters]
        self._states = [np.zeros((max(len(b), len(a)) - 1, channels)) for b, a in self._filters]
        self._squares = np.zeros((0, channels))
        self._start = 0  # of the squares that are held
        self._blocks: list[list[float]] = []  # power by block and channel

    def feed(self, waveform: Tensor) -> None:
        """Take in the next stretch."""
        from scipy.signal import lfilter

        frames = waveform.T.detach().cpu().numpy().astype(np.float64)
        for index, (b, a) in enumerate(self._filters):
            frames, self._states[index] = lfilter(b, a, frames, axis=0, zi=self._states[index])
        self._squares = np.concatenate([self._squares, np.square(frames)])
        samples = self._start + len(self._squares)
        if samples <= _BLOCK_S * self._rate:
            return  # it may end here, and be one block of its own length
        while (end := self._edge(len(self._blocks), 1)) <= samples:
            first = self._edge(len(self._blocks), 0)
            self._blocks.append(self._power(first, end, _BLOCK_S))
        drop = self._edge(len(self._blocks), 0) - self._start
        self._squares, self._start = self._squares[drop:], self._start + drop

    def lufs(self) -> float | None:
        """The loudness of all that was fed; None for silence and anything under the gate."""
        power = np.array(self._whole_blocks())
        if not power.size or not np.isfinite(power).all():
            return None
        alone = self._channels > len(CHANNEL_WEIGHTS)
        groups = [power[:, [c]] for c in range(self._channels)] if alone else [power]
        levels = [level for group in groups if math.isfinite(level := _gated_lufs(group))]
        return 10 * math.log10(sum(10 ** (level / 10) for level in levels)) if levels else None

    def _whole_blocks(self) -> list[list[float]]:
        """Power by block and channel, without a block that the end cuts off by part of a sample."""
        samples, block = self._start + len(self._squares), _BLOCK_S * self._rate
        if samples > block:
            return self._blocks[: math.floor((samples - block) / (_STEP_S * self._rate)) + 1]
        if not samples:
            return []
        block_s = min(_BLOCK_S, samples / self._rate)
        while block_s * self._rate > samples:  # by a rounding error
            block_s = math.nextafter(block_s, 0)
        return [self._power(0, int(block_s * self._rate), block_s)]

    def _power(self, first: int, end: int, block_s: float) -> list[float]:
        """Mean square of samples `first` to `end`, which last `block_s`, by channel."""
        held = self._squares[first - self._start : end - self._start]
        scale = 1.0 / (block_s * self._rate)
        return [float(scale * np.sum(held[:, channel])) for channel in range(self._channels)]

    def _edge(self, block: int, whole: int) -> int:
        """The first sample of a block (`whole=0`), or the one after its last (`whole=1`)."""
        return int(_BLOCK_S * (block * (_STEP_S / _BLOCK_S) + whole) * self._rate)


def _gated_lufs(power: np.ndarray) -> float:
    """LUFS of what lies over both gates of BS.1770-4, of power `[blocks, channels]`.

    -inf if no block does.
    """
    with np.errstate(divide="ignore"):
        levels = np.array([_lufs(block) for block in power])
    heard = power[levels >= _ABSOLUTE_GATE]
    if not len(heard):
        return -math.inf
    relative = _lufs([np.mean(channel) for channel in heard.T]) + _RELATIVE_GATE
    heard = power[(levels > relative) & (levels > _ABSOLUTE_GATE)]
    return _lufs([np.mean(channel) for channel in heard.T]) if len(heard) else -math.inf


def _lufs(power: Iterable[float]) -> float:
    """Loudness of the channels' power, each with its weight."""
    weighted = [weight * one for weight, one in zip(CHANNEL_WEIGHTS, power, strict=False)]
    return float(-0.691 + 10.0 * np.log10(np.sum(weighted)))


def _pieces(audio: Audio) -> Iterator[Tensor]:
    """The waveform in chunks of 10 s: an hour is measured in no more memory than a minute."""
    return iter(audio.waveform.split(_CHUNK_S * audio.sample_rate, -1))
