"""SDR as BSS Eval defines it: what a filter of 512 taps cannot explain is distortion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from speechclean.stages.types import Separation, Track

from .decibels import check_cap
from .reference import aligned_reference, is_silent


@dataclass(frozen=True)
class Sdr:
    """Signal-to-distortion ratio in dB, by fast_bss_eval.

    Vincent, Gribonval & Févotte, "Performance measurement in blind audio source separation", IEEE
    TASLP 2006; Scheibler, "SDR - medium rare with fast computations", ICASSP 2022.

    The reference may pass through any filter of `taps` samples, so that level, a short delay and a
    tone control count as no distortion; `si_sdr` allows the level alone and is the stricter.
    Channels are scored one by one and averaged over those that the reference fills. Held within
    +-`cap_db`, -`cap_db` for a silent estimate. None without a reference, or with a silent one, or
    for a sound no longer than two filters.
    """

    taps: int = 512
    cap_db: float = 100.0

    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool | None] = True
    reads_mask: ClassVar[bool] = False
    needs_packages: ClassVar[tuple[str, ...]] = ("fast_bss_eval",)
    needs: ClassVar[str] = "reference"

    def __post_init__(self) -> None:
        if self.taps < 1:
            raise ValueError(f"taps must be at least 1, got {self.taps}; BSS Eval's own is 512")
        check_cap(self.cap_db)

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The ratio in dB."""
        reference = aligned_reference(separation, track)
        if reference is None or reference.samples <= 2 * self.taps:
            return None
        values = []
        for channel in range(reference.channels):
            clean, heard = (
                audio.with_waveform(audio.waveform[[channel]])
                for audio in (reference, separation.speech)
            )
            if is_silent(clean):
                continue
            values.append(
                -self.cap_db if is_silent(heard) else self._one(heard.waveform, clean.waveform)
            )
        return sum(values) / len(values) if all(map(math.isfinite, values)) else None

    def _one(self, estimate: Tensor, reference: Tensor) -> float:
        import fast_bss_eval

        pair = [one.detach().cpu().double() for one in (reference, estimate)]
        value = float(
            fast_bss_eval.sdr(*pair, filter_length=self.taps, clamp_db=self.cap_db, zero_mean=True)
        )
        return max(-self.cap_db, min(self.cap_db, value))
