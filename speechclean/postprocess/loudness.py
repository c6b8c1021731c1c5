"""The level of the output: one gain for the whole file, so that its dynamics stay the voice's own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..loudness import integrated_lufs, true_peak_dbtp
from ..separation import Separation
from ..spectral import apply_mask


@dataclass(frozen=True)
class Loudness:
    """Sets the loudness (ITU-R BS.1770) under a true-peak ceiling, by a gain and never by a limiter.

    target_lufs: integrated loudness of the output; None: as loud as the speech was in the mixture (the fused estimate)
    ceiling_dbtp: true peak in dBTP that the gain may not push the output over; with target_lufs=None a mixture whose own
        peak is higher keeps it, since lowering an untouched voice would be a change that nobody asked for
    max_gain_db: largest change of level; what was nearly silent is not blown up
    """

    target_lufs: float | None = None
    ceiling_dbtp: float = -1.0
    max_gain_db: float = 30.0

    def __post_init__(self) -> None:
        if self.target_lufs is not None and not -70 <= self.target_lufs <= 0:
            raise ValueError(f"target_lufs={self.target_lufs} must be between -70 and 0 LUFS, or null")
        if not -30 <= self.ceiling_dbtp <= 0:
            raise ValueError(f"ceiling_dbtp={self.ceiling_dbtp} must be between -30 and 0 dBTP")
        if self.max_gain_db < 0:
            raise ValueError(f"max_gain_db={self.max_gain_db} must be 0 or more")

    def __call__(self, separation: Separation) -> Separation:
        """The same speech at another level; `gain` remembers the factor."""
        gain = 10 ** (self.gain_db(separation) / 20)
        louder = separation.with_speech(separation.speech.waveform * gain)
        return replace(louder, gain=separation.gain * gain)

    def gain_db(self, separation: Separation) -> float:
        """The change of level in dB; 0 where the loudness cannot be measured (silence)."""
        speech, mixture = separation.speech, separation.mixture
        loudness, ceiling = integrated_lufs(speech), self.ceiling_dbtp
        if self.target_lufs is not None:
            target: float | None = self.target_lufs
        else:
            target = integrated_lufs(mixture.with_waveform(apply_mask(mixture.waveform, separation.mask)))
            own_peak = true_peak_dbtp(mixture)
            ceiling = ceiling if own_peak is None else max(ceiling, own_peak)
        peak = true_peak_dbtp(speech)
        if loudness is None or target is None or peak is None:
            return 0.0
        wanted = max(-self.max_gain_db, min(self.max_gain_db, target - loudness))
        return min(wanted, ceiling - peak)
