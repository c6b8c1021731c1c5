"""Bandwidth: how far up the sound reaches, so that a low-passed voice is seen."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from speechclean.audio import stft
from speechclean.stages.types import Separation, Track


@dataclass(frozen=True)
class Bandwidth:
    """Upper edge in Hz of the highest sixth of an octave that is not far below the strongest one.

    Its mean power density lies within `drop_db` of the strongest one's.

    Powers are means over the whole sound and its channels (Welch, 1967: windows of 43 to 85 ms). A
    level, neither good nor bad: music reaches higher than a voice, so a drop is no harm by itself,
    but a drop to 4 or 8 kHz in many files is a low-pass. None for silence.
    """

    drop_db: float = 70.0
    window_s: float = 0.064

    unit: ClassVar[str] = "Hz"
    higher_is_better: ClassVar[bool | None] = None
    reads_mask: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.drop_db < math.inf:
            raise ValueError(f"drop_db must be a positive number of dB, got {self.drop_db}")
        if not 0.005 <= self.window_s <= 1:
            raise ValueError(f"window_s={self.window_s} must be between 0.005 and 1 second")

    def __call__(self, separation: Separation, track: Track) -> float | None:  # noqa: ARG002
        """The edge in Hz."""
        audio = separation.speech
        n_fft = stft.window_length(audio.sample_rate, self.window_s)
        frames = stft.stft(audio.waveform, n_fft).abs().double().square()
        # A sound that is cut off hard splashes over all frequencies in the frames at its ends.
        power = (frames[..., 2:-2] if frames.shape[-1] > 8 else frames).mean((0, -1))
        if not math.isfinite(float(power.sum())) or not power.any():
            return None
        nyquist = audio.sample_rate / 2
        hertz = torch.linspace(0, nyquist, len(power), dtype=torch.float64, device=power.device)
        edges = [nyquist * 2 ** (-step / 6) for step in range(40)]
        bands = [
            (high, power[(hertz > low) & (hertz <= high)])
            for high, low in itertools.pairwise(edges)
        ]
        densities = [(high, float(band.mean())) for high, band in bands if len(band) and high >= 50]
        floor = max(density for _, density in densities) * 10 ** (-self.drop_db / 10)
        return next(high for high, density in densities if density >= floor)
