"""A β-Wiener mask on the speech estimate.

That is the parametric Wiener filter (|S|² / (|S|² + |R|²))^β of Lim & Oppenheim, "Enhancement and
bandwidth compression of noisy speech" (Proc. IEEE 67, 1979).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from speechclean.audio.stft import istft, ratio_mask, stft, window_length
from speechclean.stages.types import Separation


@dataclass(frozen=True)
class BetaWiener:
    """Cleans up where the residual outweighs the speech.

    beta: 0 leaves the speech as it is, 0.5 is power subtraction, 1 the Wiener filter, more cuts
        deeper
    window_s: STFT window in seconds, rounded to a power of two of samples
    eps: keeps the ratio of two silences at 0 instead of NaN
    """

    beta: float = 0.5
    window_s: float = 0.085
    eps: float = 1e-10

    def __post_init__(self) -> None:
        if not 0 <= self.beta <= 4:
            raise ValueError(f"beta={self.beta} must be between 0 and 4")
        if not 0.005 <= self.window_s <= 1:
            raise ValueError(f"window_s={self.window_s} must be between 0.005 and 1 second")
        if self.eps <= 0:
            raise ValueError(f"eps={self.eps} must be above 0")

    @torch.inference_mode()
    def __call__(self, separation: Separation) -> Separation:
        """The speech estimate, weighed by the mask between it and the residual."""
        if not self.beta:
            return separation
        speech = separation.speech
        n_fft = window_length(speech.sample_rate, self.window_s)
        spectrum = stft(speech.waveform, n_fft)
        mask = ratio_mask(spectrum, stft(separation.residual.waveform, n_fft), self.eps * n_fft)
        return separation.with_speech(istft(spectrum * mask**self.beta, speech.samples))
