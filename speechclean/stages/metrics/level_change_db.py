"""Is the voice as loud as it was? Taking the music away from around it is no change of level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from speechclean.audio import stft
from speechclean.stages.types import Separation, Track

from .decibels import check_cap, decibels
from .reference import aligned_reference


@dataclass(frozen=True)
class LevelChange:
    """Level of the voice over its level in the mixture, in dB; 0 for the mixture itself.

        10 log10 ( sum |Y|^2 / sum |X|^2 )

    with Y and X the STFT of what is judged and of the mixture, and sums over channels and those
    bins alone in which speech dominates: there the mixture's level is the voice's own, to a few
    tenths of a dB, and music that was taken away elsewhere has no say. (Integrated loudness falls
    with the music that goes, by 3 dB where both were alike.)

    least_share: bins count in which at least this share of the power is speech: by the reference at
        its level in the mixture (least squares) where there is one, else by the fused mask
    window_s: length of the windows in which a reference is held against the mixture

    A level, neither good nor bad. It is held within +-`cap_db`: a muted voice reads -`cap_db`. None
    where speech dominates nowhere.
    """

    least_share: float = 0.9
    window_s: float = 0.064
    cap_db: float = 60.0

    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool | None] = None
    reads_mask: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_cap(self.cap_db)
        if not 0 < self.least_share <= 1:
            raise ValueError(
                f"least_share={self.least_share} must lie above 0 and not above 1; "
                "0.9 is speech 10 dB above the music"
            )
        if not 0 < self.window_s < math.inf:
            raise ValueError(f"window_s={self.window_s} must be more than 0 s")

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The change of level in dB."""
        share = self._share(separation, track)
        if share is None or not share.numel():
            return None
        n_fft = 2 * (share.shape[-2] - 1)
        now = before = 0.0
        # Channel by channel: half the memory that a stereo spectrum takes.
        for judged, mixture, part in zip(
            separation.speech.waveform, separation.mixture.waveform, share, strict=True
        ):
            spoken = part >= self.least_share
            now += _power(judged, n_fft, spoken)
            before += _power(mixture, n_fft, spoken)
        if before <= 0 or not math.isfinite(now + before):
            return None
        return decibels(now, before, self.cap_db)

    def _share(self, separation: Separation, track: Track) -> Tensor | None:
        """The share of speech in each bin's power: `[channels, freqs, frames]`, or None."""
        if track.reference is None:
            return separation.mask
        reference = aligned_reference(separation, track)
        if reference is None:
            return None
        mixture, clean = separation.mixture.waveform.double(), reference.waveform.double()
        scale = float((mixture * clean).sum() / clean.square().sum())
        if not (scale > 0 and math.isfinite(scale)):
            return None  # nothing of the reference is in this mixture
        voice = (scale * clean).to(separation.mixture.waveform.dtype)
        n_fft = stft.window_length(separation.mixture.sample_rate, self.window_s)
        return stft.ratio_mask(
            stft.stft(voice, n_fft), stft.stft(separation.mixture.waveform - voice, n_fft)
        )


def _power(waveform: Tensor, n_fft: int, spoken: Tensor) -> float:
    """Power of a channel `[samples]` in the bins `[freqs, frames]` that count."""
    spectrum = stft.stft(waveform, n_fft)
    return float((spectrum.real.square() + spectrum.imag.square())[spoken].double().sum())
