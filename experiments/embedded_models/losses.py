"""Losses of the separators: on the ratio mask that ships, and on their plain estimates.

Shapes: waves `[batch, samples]`, spectra complex `[batch, freqs, frames]`; energies are per crop,
    `[batch]`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from experiments.embedded_models.data import SAMPLE_RATE

N_FFT, HOP = 2048, 512
LOW_HZ = 160.0
FLOOR = 1e-3  # energy below the mixture's (-30 dB) that no loss term asks to go beneath


def stft(wave: Tensor, n_fft: int = N_FFT, hop: int = HOP) -> Tensor:
    """Hann STFT, centred and reflected.

    Shape: `[batch, samples]` to complex `[batch, n_fft // 2 + 1, frames]`.
    """
    window = torch.hann_window(n_fft, dtype=wave.dtype, device=wave.device)
    return torch.stft(wave, n_fft, hop, window=window, return_complex=True)


def istft(spectrum: Tensor, length: int, n_fft: int = N_FFT, hop: int = HOP) -> Tensor:
    """Inverse of `stft`: `[batch, samples]`."""
    window = torch.hann_window(n_fft, device=spectrum.device)
    return torch.istft(spectrum, n_fft, hop, window=window, length=length)


def power(spectrum: Tensor) -> Tensor:
    """Squared magnitude."""
    return spectrum.real.square() + spectrum.imag.square()


def ratio_mask(speech: Tensor, music: Tensor, eps: float = 1e-6) -> Tensor:
    """Wiener-like ratio mask of two estimates, from their spectra.

    |V|^2 / (|V|^2 + |A|^2 + eps).
    """
    voice = power(speech)
    return voice / (voice + power(music) + eps)


def log_error(error: Tensor, target: Tensor, mixture: Tensor) -> Tensor:
    """Mean of ln((error + floor) / (target + floor)) over crops, from energies.

    A negative SDR with a soft end.

    The floor hangs on the mixture, so that it is defined for a silent target (music alone) and
    stops pulling at estimates that are already 30 dB clean.
    """
    floor = FLOOR * mixture + 1e-8
    return torch.log((error + floor) / (target + floor)).mean()


def compressed(spectrum: Tensor) -> Tensor:
    """Square root of the magnitude, with a finite slope at zero.

    Two roots cost a third of one `pow`.
    """
    return (power(spectrum) + 1e-5).sqrt().sqrt()


@dataclass(frozen=True)
class Weights:
    """What errors of the masked voice cost beyond 1; all at 0 is the loss of the first networks.

    `deletion`: of bins where less is left than was said, while somebody speaks: words are lost
    there, and no later stage brings them back. `remains`: of bins where more is left, in pauses.
    `low`: below 160 Hz, where a deep voice has its first harmonic and music its bass.
    """

    deletion: float = 0.0
    remains: float = 0.0
    low: float = 0.0


def error_weights(masked: Tensor, truth: Tensor, weights: Weights) -> Tensor:
    """What each bin's error counts, from 1: like the spectra, `[batch, freqs, frames]`."""
    said, left = power(truth), power(masked)
    frames = said.sum(1, keepdim=True)
    speaks = frames > 1e-4 * frames.amax(-1, keepdim=True)  # 40 dB, as activity.active
    counts = 1 + weights.deletion * ((left < said) & speaks)
    counts = counts + weights.remains * ((left > said) & ~speaks)
    edge = 1 + int(LOW_HZ * N_FFT / SAMPLE_RATE)
    factor = torch.ones(said.shape[1], 1, device=said.device)
    factor[:edge] += weights.low
    return counts * factor


def separator_loss(estimate: Tensor, sources: Tensor, weights: Weights = Weights()) -> Tensor:
    """Loss of an estimate against the sources, both in the order (music, speech).

    Shape: `estimate` is `[batch, 2, 1, samples]`, `sources` `[batch, 2, samples]`.
    """
    batch, _, length = sources.shape
    estimate = estimate.reshape(batch, 2, length)
    mixture = sources.sum(1)
    spectra = stft(torch.cat([estimate.flatten(0, 1), sources.flatten(0, 1)])).unflatten(
        0, (2, batch, 2)
    )
    guess, truth = spectra
    mixed = truth.sum(1)
    masked = ratio_mask(guess[:, 1], guess[:, 0]) * mixed
    energy = power(truth).sum((-1, -2))
    heard = power(mixed).sum((-1, -2))
    with torch.no_grad():
        counts = error_weights(masked, truth[:, 1], weights)
    by_mask = log_error((counts * power(masked - truth[:, 1])).sum((-1, -2)), energy[:, 1], heard)
    by_wave = log_error(
        (estimate - sources).square().sum(-1),
        sources.square().sum(-1),
        mixture.square().sum(-1, keepdim=True),
    )
    wanted = compressed(truth)
    scale = compressed(mixed).mean() + 1e-6
    by_magnitude = (
        (counts * (compressed(masked) - wanted[:, 1]).abs()).mean()
        + F.l1_loss(compressed(guess), wanted)
    ) / scale
    return by_mask + 0.5 * by_wave + 2.0 * by_magnitude


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant SDR in dB, `[batch]` (Le Roux et al. 2019)."""
    scale = (estimate * target).sum(-1, keepdim=True) / (
        target.square().sum(-1, keepdim=True) + 1e-12
    )
    wanted = scale * target
    return 10 * torch.log10(
        wanted.square().sum(-1) / ((estimate - wanted).square().sum(-1) + 1e-12) + 1e-12
    )
