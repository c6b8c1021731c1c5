"""How loud a sound is: integrated loudness (LUFS) and true peak (dBTP) after ITU-R BS.1770-4. Pure functions.

Both the metrics and the loudness stage measure with these, so that what is reported is what was set.
"""

from __future__ import annotations

import math

import numpy as np
import soxr

from .audio import Audio

#: Channels whose weights BS.1770 defines: left, right, centre, left surround, right surround.
WEIGHTED_CHANNELS = 5
_BLOCK_S, _STEP_S = 0.4, 0.1
_CHUNK_S = 10


def integrated_lufs(audio: Audio) -> float | None:
    """Integrated, gated loudness in LUFS (BS.1770-4), or None for silence and anything under the gate of -70 LUFS.

    - A sound shorter than one gating block (0.4 s) is measured as one block of its own length: padding with zeros would read
      a steady tone too low.
    - A block that the end cuts off is left out, as the standard says (pyloudnorm would count half-filled ones, and read a
      steady tone up to 0.6 LU too low).
    - One to five channels are taken as L, R, C, Ls, Rs. For more the layout cannot be known: each is measured and gated
      alone and counts once, and their powers are summed (two equal channels read 3 LU more than one).

    Shape: `[channels, samples]` -> a number.

    >>> import torch
    >>> tone = torch.sin(2 * torch.pi * 997 * torch.arange(48000.0) / 48000)[None]
    >>> round(integrated_lufs(Audio(tone, 48000)), 1)
    -3.0
    """
    frames = _whole_blocks(audio)
    if not frames.size or not np.isfinite(frames).all():
        return None
    groups = [frames] if audio.channels <= WEIGHTED_CHANNELS else [frames[:, [c]] for c in range(audio.channels)]
    levels = [level for group in groups if math.isfinite(level := _gated_lufs(group, audio.sample_rate))]
    return 10 * math.log10(sum(10 ** (level / 10) for level in levels)) if levels else None


def true_peak_dbtp(audio: Audio, oversampling: int = 4) -> float | None:
    """Highest level in dBTP that the waveform reaches between its samples too, or None for digital silence.

    Oversamples as BS.1770-4 (annex 2) asks, by soxr, and is never below the sample peak. A factor of 4 reads at most 0.7 dB
    too low (a tone just under Nyquist), 8 at most 0.2 dB. The sound is taken to come out of silence and go back into it, as
    a player plays it, so a tone that is cut off hard reads its real overshoot there. Works through the sound in chunks of
    10 s: an hour takes no more memory than a minute.

    Shape: `[channels, samples]` -> a number.
    """
    if oversampling < 4:
        raise ValueError(f"oversampling must be at least 4 (BS.1770-4), got {oversampling}")
    if not audio.samples or not np.isfinite(peak := float(audio.waveform.abs().max())) or peak == 0:
        return None
    stream = soxr.ResampleStream(
        audio.sample_rate, audio.sample_rate * oversampling, audio.channels, dtype="float32", quality="HQ"
    )
    chunk = _CHUNK_S * audio.sample_rate
    for start in range(0, audio.samples, chunk):
        frames = np.ascontiguousarray(audio.waveform[:, start : start + chunk].T.detach().cpu().numpy())
        dense = stream.resample_chunk(frames, last=start + chunk >= audio.samples)
        peak = max(peak, float(np.abs(dense).max(initial=0)))
    return 20 * math.log10(peak)


def _whole_blocks(audio: Audio) -> np.ndarray:
    """The samples that whole gating blocks cover, float64 `[samples, channels]` (pyloudnorm filters in its input's type)."""
    block, step = _BLOCK_S * audio.sample_rate, _STEP_S * audio.sample_rate
    samples = audio.samples
    if samples > block:
        samples = math.ceil(block + math.floor((samples - block) / step) * step)
    return audio.waveform[:, :samples].T.detach().cpu().numpy().astype(np.float64)


def _gated_lufs(frames: np.ndarray, sample_rate: int) -> float:
    """pyloudnorm's reading of `[samples, channels]`, -inf under the gate."""
    import pyloudnorm

    # "DeMan" is the K-weighting of BS.1770 itself, moved to any rate; pyloudnorm's default only comes near (0.04 to 0.18 LU).
    block_s = min(_BLOCK_S, len(frames) / sample_rate)
    while block_s * sample_rate > len(frames):  # by a rounding error: pyloudnorm would refuse the sound as too short
        block_s = math.nextafter(block_s, 0)
    return float(pyloudnorm.Meter(sample_rate, filter_class="DeMan", block_size=block_s).integrated_loudness(frames))
