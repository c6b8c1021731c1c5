"""Log-spectral distance from the clean reference: the spectrum's shape, quiet parts included."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from speechclean.audio import stft
from speechclean.stages.types import Separation, Track

from .reference import aligned_reference


@dataclass(frozen=True)
class Lsd:
    """Log-spectral distance in dB.

    Gray & Markel, "Distance measures for speech processing", IEEE TASSP 1976: the root mean square
    over frequency of 10 log10 (|S|^2 / |E|^2), averaged over frames and channels.

    The estimate is first brought to the reference's level by least squares, since a gain is no
    change of shape. Powers are held above `floor_db` under the reference's strongest bin, or
    digital silence would decide everything. 0 is a perfect copy. None without a reference, with a
    silent one, or for a silent estimate.
    """

    window_s: float = 0.032
    floor_db: float = -80.0

    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool | None] = False
    reads_mask: ClassVar[bool] = False
    needs: ClassVar[str] = "reference"

    def __post_init__(self) -> None:
        if not 0.005 <= self.window_s <= 1:
            raise ValueError(f"window_s={self.window_s} must be between 0.005 and 1 second")
        if not -math.inf < self.floor_db < 0:
            raise ValueError(f"floor_db must be a negative number of dB, got {self.floor_db}")

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The distance in dB."""
        reference = aligned_reference(separation, track)
        if reference is None:
            return None
        clean, heard = reference.waveform.double(), separation.speech.waveform.double()
        scale = float((clean * heard).sum() / heard.square().sum().clamp(min=1e-300))
        if not math.isfinite(scale) or not scale:
            return None
        n_fft = stft.window_length(reference.sample_rate, self.window_s)
        powers = [
            stft.stft(waveform, n_fft).abs().square() for waveform in (clean, abs(scale) * heard)
        ]
        floor = powers[0].max() * 10 ** (self.floor_db / 10)
        logs = [10 * power.clamp(min=floor).log10() for power in powers]
        return float((logs[0] - logs[1]).square().mean(-2).sqrt().mean())
