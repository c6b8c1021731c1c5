"""Mel spectra as Slaney's Auditory Toolbox defines them, which published networks were trained on.

Shared by the metrics that hear through one.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

#: Below it the scale is linear, above logarithmic: 1000 Hz is 15 mel, and 27 mel more are a factor
#: of 6.4 (Slaney, "Auditory Toolbox", 1998).
_CORNER_HZ, _CORNER_MEL, _STEP = 1000.0, 15.0, math.log(6.4) / 27


def mel_spectrum(waveform: Tensor, sample_rate: int, n_fft: int, hop: int, bands: int) -> Tensor:
    """Power in each band: `[batch, samples]` to `[batch, frames, bands]`.

    Hann windows of `n_fft` samples, one centred on every `hop`-th sample, zeros beyond the ends.
    """
    window = torch.hann_window(n_fft, device=waveform.device)
    spectrum = torch.stft(
        waveform, n_fft, hop, window=window, center=True, pad_mode="constant", return_complex=True
    )
    power = spectrum.real.square() + spectrum.imag.square()
    return (filters(sample_rate, n_fft, bands).to(waveform.device) @ power).transpose(1, 2)


@functools.cache
def filters(sample_rate: int, n_fft: int, bands: int) -> Tensor:
    """Triangles on the mel scale from 0 Hz to half the rate: `[bands, n_fft // 2 + 1]`.

    Each has the area of one Hz, so that white noise is as strong in all of them.
    """
    top = _CORNER_MEL + math.log(sample_rate / 2 / _CORNER_HZ) / _STEP
    mel = torch.linspace(0, top, bands + 2, dtype=torch.float64)
    edges = torch.where(
        mel < _CORNER_MEL,
        mel * _CORNER_HZ / _CORNER_MEL,
        _CORNER_HZ * torch.exp((mel - _CORNER_MEL) * _STEP),
    )
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    hz = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * sample_rate / n_fft
    rising, falling = (hz - low) / (middle - low), (high - hz) / (high - middle)
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return (triangles * 2 / (high - low)).float()
