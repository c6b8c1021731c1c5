"""What all fusion rules share: what each separator heard, on the mixture's STFT."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from speechclean.audio.stft import (
    apply_mask,
    extend_mask,
    gain_mask,
    ratio_mask,
    stft,
    window_length,
)
from speechclean.audio.waveform import Audio, resample
from speechclean.stages.types import Separation, Stems

#: Share of a separator's Nyquist frequency that it really hears: resampling rolls off above it.
HEARD = 0.9


@dataclass(frozen=True)
class FusionRule(ABC):
    """Each separator's mask on the mixture.

    That is the ratio of its stems, or its gain on the mixture where its answer is one
    (`Stems.is_gain`).

    window_s: STFT window in seconds, rounded to a power of two of samples
    eps: keeps the ratio of two silences at 0 instead of NaN
    exponent: p of the ratio |speech|^p / (|speech|^p + |music|^p): 2 compares powers, 1 magnitudes,
        which is softer; less leaves more music and harms the voice less
    """

    window_s: float = 0.085
    eps: float = 1e-10
    exponent: float = 2.0

    def __post_init__(self) -> None:
        if not 0.005 <= self.window_s <= 1:
            raise ValueError(f"window_s={self.window_s} must be between 0.005 and 1 second")
        if self.eps <= 0:
            raise ValueError(f"eps={self.eps} must be above 0")
        if not 0 < self.exponent < math.inf:
            raise ValueError(f"exponent={self.exponent} must be above 0; 2 compares powers")

    @torch.inference_mode()
    def __call__(self, mixture: Audio, stems: Mapping[str, Stems]) -> Separation:
        """One estimate from many. Raises `ValueError` without any stems."""
        if not stems:
            raise ValueError(
                "nothing to fuse: give at least one separator, e.g. separators=[embedded_htdemucs]"
            )
        return self.fuse(mixture, stems)

    @abstractmethod
    def fuse(self, mixture: Audio, stems: Mapping[str, Stems]) -> Separation:
        """The same of one or more stems."""

    def mask(self, mixture: Audio, stems: Stems) -> Tensor:
        """One separator's mask on the mixture's STFT, the band above its Nyquist filled.

        Shape: `[channels, freqs, frames]`.
        """
        n_fft = window_length(mixture.sample_rate, self.window_s)

        def spectrum(sound: Audio) -> Tensor:
            return stft(resample(sound, mixture.sample_rate, mixture.samples).waveform, n_fft)

        # Spectra grow with the window: eps is per sample of it, so that it means the same at every
        # rate.
        eps = self.eps * n_fft
        mask = (
            gain_mask(spectrum(stems.speech), spectrum(mixture), eps)
            if stems.is_gain
            else ratio_mask(spectrum(stems.speech), spectrum(stems.music), eps, self.exponent)
        )
        if stems.speech.sample_rate >= mixture.sample_rate:
            return mask
        return extend_mask(mask, mixture.sample_rate, HEARD * stems.speech.sample_rate / 2)


@dataclass(frozen=True)
class MaskFusion(FusionRule, ABC):
    """Masks, combined by a rule and applied to the mixture."""

    @abstractmethod
    def combine(self, masks: Tensor, weights: Tensor) -> Tensor:
        """One mask from many, of which each has its weight; over separators they sum to one.

        Shape: `[separators, channels, freqs, frames]` and `[separators, 1, freqs or 1, 1]` ->
        `[channels, freqs, frames]`.
        """

    def fuse(self, mixture: Audio, stems: Mapping[str, Stems]) -> Separation:
        """The mixture, masked."""
        masks = torch.stack([self.mask(mixture, answer) for answer in stems.values()])
        weights = self.trust(list(stems), mixture.sample_rate, masks)
        # Rounding may step over the edges by a part in 10^7 (geometric mean of ones): hold 0 <=
        # mask <= 1 exactly.
        mask = self.combine(masks, weights).clamp(0, 1)
        return Separation(mixture, mixture.with_waveform(apply_mask(mixture.waveform, mask)), mask)

    def trust(self, names: list[str], sample_rate: int, like: Tensor) -> Tensor:  # noqa: ARG002
        """The weights of separators: all alike."""
        return like.new_full((len(names), 1, 1, 1), 1 / len(names))
