"""The level of the output: one gain for the whole file, which leaves the voice's dynamics alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from speechclean.audio.loudness import integrated_lufs, true_peak_dbtp
from speechclean.stages.types import Separation

#: What the rounding of 16-bit files may add to a true peak near full scale, in dB: half a step,
#: through a filter that sums a few of them.
ROUNDING_DB = 0.002


@dataclass(frozen=True)
class Loudness:
    """Sets the loudness (ITU-R BS.1770) below a true-peak ceiling, by one gain, without a limiter.

    target_lufs: integrated loudness of the output; None: as loud as the speech was in the mixture
        (the fused estimate)
    ceiling_dbtp: true peak in dBTP that the gain may not push the output over; with
        target_lufs=None and without `ceiling_always`, a mixture whose own peak is higher keeps it
    max_gain_db: largest change of level; what was nearly silent is not blown up
    ceiling_always: the ceiling holds whatever comes in: a hotter mixture's speech is turned down to
        it, a hair lower for the rounding of 16 bits; `gain` remembers by how much, as for any level
    """

    target_lufs: float | None = None
    ceiling_dbtp: float = -1.0
    max_gain_db: float = 30.0
    ceiling_always: bool = False

    def __post_init__(self) -> None:
        if self.target_lufs is not None and not -70 <= self.target_lufs <= 0:
            raise ValueError(
                f"target_lufs={self.target_lufs} must be between -70 and 0 LUFS, or null"
            )
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
        mixture, speech = separation.mixture, separation.speech
        fused = separation.masked if self.target_lufs is None else mixture
        return self.gain_for(
            integrated_lufs(speech),
            true_peak_dbtp(speech),
            integrated_lufs(fused),
            true_peak_dbtp(mixture),
        )

    def gain_for(
        self,
        loudness: float | None,
        peak: float | None,
        fused_loudness: float | None,
        mixture_peak: float | None,
    ) -> float:
        """The change of level in dB.

        It follows from the speech's loudness (LUFS) and true peak (dBTP), the fused estimate's
        loudness and the mixture's true peak; None stands for silence.
        """
        target, ceiling = self.target_lufs, self.ceiling_dbtp
        if target is None:
            target = fused_loudness
            if not self.ceiling_always and mixture_peak is not None:
                ceiling = max(ceiling, mixture_peak)
        if peak is None:
            return 0.0
        room = ceiling - peak - (ROUNDING_DB if self.ceiling_always else 0.0)
        if loudness is None or target is None:  # a click, too short for a loudness
            return min(0.0, room) if self.ceiling_always else 0.0
        wanted = max(-self.max_gain_db, min(self.max_gain_db, target - loudness))
        return min(wanted, room)
