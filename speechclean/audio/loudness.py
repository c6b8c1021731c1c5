"""How loud a sound is: integrated loudness (LUFS) and true peak (dBTP) after ITU-R BS.1770-4. Pure
functions.

Both the metrics and the loudness stage measure with these, so that what is reported is what was
set.
"""

from __future__ import annotations

import math

import numpy as np
import soxr
from torch import Tensor

from .waveform import Audio

#: Channels whose weights BS.1770 defines: left, right, centre, left surround, right surround.
WEIGHTED_CHANNELS = 5
_BLOCK_S, _STEP_S = 0.4, 0.1
_CHUNK_S = 10


def integrated_lufs(audio: Audio) -> float | None:
    """Integrated, gated loudness in LUFS (BS.1770-4), or None for silence and anything under the
    gate of -70 LUFS.

    - A sound shorter than one gating block (0.4 s) is measured as one block of its own length:
      padding with zeros would read a steady tone too low.
    - A block that the end cuts off is left out, as the standard says (pyloudnorm would count
      half-filled ones, and read a steady tone up to 0.6 LU too low).
    - One to five channels are taken as L, R, C, Ls, Rs. For more the layout cannot be known: each
      is measured and gated alone and counts once, and their powers are summed (two equal channels
      read 3 LU more than one).

    Shape: `[channels, samples]` -> a number.

    >>> import torch
    >>> tone = torch.sin(2 * torch.pi * 997 * torch.arange(48000.0) / 48000)[None]
    >>> round(integrated_lufs(Audio(tone, 48000)), 1)
    -3.0
    """
    frames = _whole_blocks(audio)
    if not frames.size or not np.isfinite(frames).all():
        return None
    groups = (
        [frames]
        if audio.channels <= WEIGHTED_CHANNELS
        else [frames[:, [c]] for c in range(audio.channels)]
    )
    levels = [
        level for group in groups if math.isfinite(level := _gated_lufs(group, audio.sample_rate))
    ]
    return 10 * math.log10(sum(10 ** (level / 10) for level in levels)) if levels else None


def true_peak_dbtp(audio: Audio, oversampling: int = 4) -> float | None:
    """Highest level in dBTP that the waveform reaches between its samples too, or None for digital
    silence.

    Oversamples as BS.1770-4 (annex 2) asks, by soxr, and is never below the sample peak. A factor
    of 4 reads at most 0.7 dB too low (a tone just under Nyquist), 8 at most 0.2 dB. The sound is
    taken to come out of silence and go back into it, as a player plays it, so a tone that is cut
    off hard reads its real overshoot there. Works through the sound in chunks of
    10 s: an hour takes no more memory than a minute.

    Shape: `[channels, samples]` -> a number.
    """
    meter = TruePeakMeter(audio.sample_rate, audio.channels, oversampling)
    for start in range(0, audio.samples, chunk := _CHUNK_S * audio.sample_rate):
        meter.feed(audio.waveform[:, start : start + chunk])
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
        frames = np.ascontiguousarray(waveform.T.detach().cpu().numpy())
        self._peak = max(self._peak, float(np.abs(frames).max(initial=0)))
        self._advance(frames)

    def dbtp(self) -> float | None:
        """The true peak of all that was fed, which ends here; None for digital silence, NaN and
        infinity.
        """
        self._advance(np.zeros((0, self._channels), np.float32), last=True)
        if not self._peak or not np.isfinite(self._peak):
            return None
        return 20 * math.log10(max(self._peak, self._dense_peak))

    def _advance(self, frames: np.ndarray, last: bool = False) -> None:
        dense = self._stream.resample_chunk(frames, last=last)
        self._dense_peak = max(self._dense_peak, float(np.abs(dense).max(initial=0)))


class LoudnessMeter:
    """`integrated_lufs` of a sound that is fed in stretches `[channels, samples]`; keeps one gating
    block in memory.

    The filters are pyloudnorm's; the gating is BS.1770-4's again, since pyloudnorm wants the whole
    sound at once.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        import pyloudnorm

        self._rate, self._channels = sample_rate, channels
        self._filters = list(pyloudnorm.Meter(sample_rate, filter_class="DeMan")._filters.values())
        self._states = [
            np.zeros((max(len(one.a), len(one.b)) - 1, channels)) for one in self._filters
        ]
        self._squares = np.zeros((0, channels))
        self._start = 0  # of the squares that are held
        self._blocks: list[np.ndarray] = []

    def feed(self, waveform: Tensor) -> None:
        from scipy.signal import lfilter

        frames = waveform.T.detach().cpu().numpy().astype(np.float64)
        for index, one in enumerate(self._filters):
            frames, self._states[index] = lfilter(
                one.b, one.a, frames, axis=0, zi=self._states[index]
            )
            frames = frames * one.passband_gain
        self._squares = np.concatenate([self._squares, np.square(frames)])
        while (end := self._edge(len(self._blocks), 1)) <= self._start + len(self._squares):
            first = self._edge(len(self._blocks), 0) - self._start
            self._blocks.append(
                self._squares[first : end - self._start].sum(0) / (_BLOCK_S * self._rate)
            )
        drop = self._edge(len(self._blocks), 0) - self._start
        self._squares, self._start = self._squares[drop:], self._start + drop

    def lufs(self) -> float | None:
        """The loudness of all that was fed; None for silence and anything under the gate."""
        # A sound shorter than a block is one block of its own length.
        blocks = self._blocks or ([self._squares.mean(0)] if len(self._squares) else [])
        if not blocks or not np.isfinite(blocks).all():
            return None
        power = np.stack(blocks)
        weights = np.array([1, 1, 1, 1.41, 1.41])[: self._channels]
        alone = self._channels > WEIGHTED_CHANNELS
        groups = list(power.T) if alone else [(power * weights).sum(1)]
        levels = [level for group in groups if (level := _gated(group))]
        return -0.691 + 10 * math.log10(sum(levels)) if levels else None

    def _edge(self, block: int, whole: int) -> int:
        """First sample of a block (`whole=0`), or the one after its last (`whole=1`), as pyloudnorm
        rounds them.
        """
        return int(_BLOCK_S * (block * (_STEP_S / _BLOCK_S) + whole) * self._rate)


def _gated(power: np.ndarray) -> float:
    """Mean power of the blocks over both gates of BS.1770-4, absolute (-70 LUFS) and relative (-10
    LU); 0 if none is.
    """
    heard = power[power > 10 ** ((-70 + 0.691) / 10)]
    if not len(heard):
        return 0.0
    return float(heard[heard > heard.mean() / 10].mean())


def _whole_blocks(audio: Audio) -> np.ndarray:
    """The samples that whole gating blocks cover, float64 `[samples, channels]` (pyloudnorm filters
    in its input's type).
    """
    block, step = _BLOCK_S * audio.sample_rate, _STEP_S * audio.sample_rate
    samples = audio.samples
    if samples > block:
        samples = math.ceil(block + math.floor((samples - block) / step) * step)
    return audio.waveform[:, :samples].T.detach().cpu().numpy().astype(np.float64)


def _gated_lufs(frames: np.ndarray, sample_rate: int) -> float:
    """Pyloudnorm's reading of `[samples, channels]`, -inf under the gate."""
    import pyloudnorm

    # "DeMan" is the K-weighting of BS.1770 itself, moved to any rate; pyloudnorm's default only
    # comes near (0.04 to 0.18 LU).
    block_s = min(_BLOCK_S, len(frames) / sample_rate)
    # by a rounding error: pyloudnorm would refuse the sound as too short
    while block_s * sample_rate > len(frames):
        block_s = math.nextafter(block_s, 0)
    return float(
        pyloudnorm.Meter(sample_rate, filter_class="DeMan", block_size=block_s).integrated_loudness(
            frames
        )
    )
