"""STFT pair, ratio mask, apply mask: pure functions on tensors, the same on every device.

The STFT is a periodic Hann window with a hop of a quarter window, centred, zero-padded at the ends;
window and hop follow from a mask's number of frequencies, so a mask needs no companion to be
applied.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def window_length(sample_rate: int, window_s: float) -> int:
    """The power of two nearest (in octaves) to `window_s` seconds, at least 64 samples.

    >>> window_length(24000, 0.085), window_length(48000, 0.085)
    (2048, 4096)
    """
    return max(64, 2 ** round(math.log2(window_s * sample_rate)))


def stft(waveform: Tensor, n_fft: int) -> Tensor:
    """Short-time Fourier transform.

    Shape: `[..., samples]` -> complex `[..., n_fft // 2 + 1, frames]`.
    """
    flat = waveform.reshape(-1, waveform.shape[-1])
    spectrum = torch.stft(
        flat,
        n_fft,
        n_fft // 4,
        window=_hann(n_fft, waveform),
        pad_mode="constant",
        return_complex=True,
    )
    return spectrum.reshape(*waveform.shape[:-1], *spectrum.shape[-2:])


def istft(spectrum: Tensor, samples: int) -> Tensor:
    """Inverse of `stft`. Shape: complex `[..., freqs, frames]` -> `[..., samples]`."""
    n_fft = 2 * (spectrum.shape[-2] - 1)
    flat = spectrum.reshape(-1, *spectrum.shape[-2:])
    waveform = torch.istft(
        flat, n_fft, n_fft // 4, window=_hann(n_fft, spectrum.real), length=samples
    )
    return waveform.reshape(*spectrum.shape[:-2], samples)


def ratio_mask(speech: Tensor, music: Tensor, eps: float = 1e-10, exponent: float = 2.0) -> Tensor:
    """Soft ratio mask |V|^p / (|V|^p + |A|^p) from two spectra of one shape; values in 0..1.

    With the exponent p = 2 the Wiener gain of two uncorrelated sources, with 1 that of magnitudes
    that add up: softer, since what is twice as loud is passed by 2/3 and not 4/5 (Liutkus &
    Badeau, "Generalized Wiener filtering with fractional power spectrograms", ICASSP 2015, whose
    alpha p is). Where both fall below the power `eps`, the mask falls to 0.
    """
    speech_power, music_power = _power(speech), _power(music)
    total = speech_power + music_power
    if exponent == 2:
        return speech_power / (total + eps)
    # Against the larger of the two nothing over- or underflows, and the sum is 1 or more.
    larger = torch.maximum(speech_power, music_power).clamp(min=torch.finfo(total.dtype).tiny)
    speech_part, music_part = (
        (power / larger) ** (exponent / 2) for power in (speech_power, music_power)
    )
    return speech_part / (speech_part + music_part).clamp(min=1) * (total / (total + eps))


def gain_mask(speech: Tensor, mixture: Tensor, eps: float = 1e-10) -> Tensor:
    """The gain min(1, |V| / |X|) that turns a mixture's spectrum X into one as loud as speech V.

    0 where both are silent: `eps` is added to |X|^2. Shape: two spectra of one shape -> the same,
    values in 0..1.
    """
    return (_power(speech) / (_power(mixture) + eps)).sqrt().clamp(max=1)


def apply_mask(waveform: Tensor, mask: Tensor) -> Tensor:
    """Weigh a waveform's STFT by a mask.

    Shape: `[channels, samples]`, `[channels, freqs, frames]` -> `[channels, samples]`.
    """
    n_fft = 2 * (mask.shape[-2] - 1)
    return istft(stft(waveform, n_fft) * mask, waveform.shape[-1])


def heard_freqs(freqs: int, sample_rate: int, heard_hz: float) -> int:
    """How many of an STFT's frequencies, from below, a model hears that hears up to `heard_hz`.

    >>> heard_freqs(1025, 48000, 12000), heard_freqs(1025, 24000, 12000)
    (512, 1025)
    """
    top = math.floor(heard_hz / (sample_rate / 2) * (freqs - 1))
    return freqs if top >= freqs - 1 else max(top, 1)


def extend_mask(mask: Tensor, sample_rate: int, heard_hz: float) -> Tensor:
    """Fill the band that a model could not hear with the mean of the mask over the octave below.

    The band begins at `heard_hz`. Cutting it would low-pass the voice; passing it would leave the
    music's treble. Shape: `[..., freqs, frames]`, unchanged.
    """
    freqs = mask.shape[-2]
    top = heard_freqs(freqs, sample_rate, heard_hz)
    if top == freqs:
        return mask
    octave = mask[..., top // 2 : top, :].mean(-2, keepdim=True)
    return torch.cat(
        [mask[..., :top, :], octave.expand(*mask.shape[:-2], freqs - top, mask.shape[-1])], dim=-2
    )


def _power(spectrum: Tensor) -> Tensor:
    """|X|^2 without the square root that `abs` would take first."""
    return (
        spectrum.real.square() + spectrum.imag.square()
        if spectrum.is_complex()
        else spectrum.square()
    )


def _hann(n_fft: int, like: Tensor) -> Tensor:
    return torch.hann_window(n_fft, dtype=like.dtype, device=like.device)
