"""Mean of the waveforms: the separators' own sound, and not a mask made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from speechclean.audio.stft import gain_mask, heard_freqs, istft, stft, window_length
from speechclean.audio.waveform import Audio, resample
from speechclean.stages.types import Separation, Stems

from .base import HEARD
from .weights import WeightedRule


@dataclass(frozen=True)
class MeanWaveform(WeightedRule):
    """The weighted mean of the separators' speech, phases included.

    A bin may come out louder than in the mixture, and whatever one separator shifts in time or
    phase partly cancels. In the band above what a separator hears its part is the mixture under
    its extended mask, as with masks; the exponent matters there alone. The mask of the result is
    the gain that it comes to, |speech| / |mixture|, at most 1.
    """

    def fuse(self, mixture: Audio, stems: Mapping[str, Stems]) -> Separation:
        """The mean of the estimates."""
        n_fft = window_length(mixture.sample_rate, self.window_s)
        whole = stft(mixture.waveform, n_fft)
        parts = torch.stack([self._part(mixture, whole, one) for one in stems.values()])
        mean = (self.trust(list(stems), mixture.sample_rate, whole.real) * parts).sum(0)
        speech = mixture.with_waveform(istft(mean, mixture.samples))
        return Separation(mixture, speech, gain_mask(mean, whole, self.eps * n_fft))

    def _part(self, mixture: Audio, whole: Tensor, stems: Stems) -> Tensor:
        """One separator's speech on the mixture's STFT. Shape: complex, that of `whole`."""
        rate, freqs = mixture.sample_rate, whole.shape[-2]
        speech = resample(stems.speech, rate, mixture.samples)
        own = stft(speech.waveform, 2 * (freqs - 1))
        if stems.speech.sample_rate >= rate:
            return own
        top = heard_freqs(freqs, rate, HEARD * stems.speech.sample_rate / 2)
        above = whole[..., top:, :] * self.mask(mixture, stems)[..., top:, :]
        return torch.cat([own[..., :top, :], above], dim=-2)
