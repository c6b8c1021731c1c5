"""How loud it still is between the words. Needs no reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from speechclean.audio.waveform import Audio
from speechclean.stages.types import Separation, Track

from .vad import heard_voice, speech_segments


@dataclass(frozen=True)
class MusicResidual:
    """Mean power in the pauses over mean power in the speech, in dB.

    10 log10 (P_pause / P_speech), over all channels.

    Pauses are found by silero-vad in `track.reference` if there is one, else in the mixture under
    the fused mask: never in the signal that is judged, so that mixture and cleaned speech are
    measured over the very same samples. Singing that the mask let through may pass for speech
    there.

    `guard_s` around each stretch of speech belongs to neither side: breath, reverberation and the
    detector's own delay. A cleaned pause may be digitally silent, so the value is held at
    `floor_db` and above. None without speech, with less than `min_pause_s` of pause in all, or when
    the signal is silent where the speech should be.
    """

    threshold: float = 0.5
    guard_s: float = 0.1
    min_pause_s: float = 0.3
    floor_db: float = -100.0

    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool | None] = False
    reads_mask: ClassVar[bool] = True
    needs_packages: ClassVar[tuple[str, ...]] = ("silero_vad",)

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ValueError(
                f"threshold must lie between 0 and 1, got {self.threshold}; silero-vad's own is 0.5"
            )
        if not 0 <= self.guard_s < math.inf:
            raise ValueError(f"guard_s must be 0 s or more, got {self.guard_s}")
        if not 0 < self.min_pause_s < math.inf:
            raise ValueError(f"min_pause_s must be more than 0 s, got {self.min_pause_s}")
        if not -math.inf < self.floor_db < 0:
            raise ValueError(
                f"floor_db must be a negative number of dB, got {self.floor_db}; "
                "-100 is beyond 16-bit audio"
            )

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The ratio in dB."""
        audio = separation.speech
        segments = speech_segments(heard_voice(separation, track), self.threshold)
        speech = _covered(audio, segments, 0.0)
        pause = ~_covered(audio, segments, self.guard_s)
        if not speech.any() or int(pause.sum()) < self.min_pause_s * audio.sample_rate:
            return None
        power = audio.waveform.double().square().mean(0)
        in_speech, in_pause = float(power[speech].mean()), float(power[pause].mean())
        if in_speech <= 0 or not math.isfinite(in_speech + in_pause):
            return None
        if in_pause <= 0:
            return self.floor_db
        return max(self.floor_db, 10 * math.log10(in_pause) - 10 * math.log10(in_speech))


def _covered(audio: Audio, segments: list[tuple[float, float]], margin_s: float) -> torch.Tensor:
    """Which samples lie in a segment widened by `margin_s` on both sides: bool `[samples]`."""
    covered = torch.zeros(audio.samples, dtype=torch.bool, device=audio.waveform.device)
    for start, end in segments:
        covered[
            max(0, round((start - margin_s) * audio.sample_rate)) : round(
                (end + margin_s) * audio.sample_rate
            )
        ] = True
    return covered
