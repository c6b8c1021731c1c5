"""Whether music bursts through where a file begins or ends. Needs no reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from speechclean.audio.waveform import Audio
from speechclean.stages.types import Separation, Track

from .reference import aligned_reference
from .vad import heard_voice, speech_segments

#: What digital silence reads, in dBFS: under the last bit of 16 bits.
SILENT_DBFS = -100.0


@dataclass(frozen=True)
class EdgeBurst:
    """By how much an end of music alone rises over what is beside it, in dB.

    The first `edge_s` are held against the `beside_s` after them, the last against those before;
    levels are RMS over all channels. From the rise is taken what the mixture rises there, or the
    reference if that is more: a drum's last beat, or a word that breaks off. The worse end counts.
    0 where neither rises, or where it rises to no more than `least_dbfs`, which nobody hears.

    An end is of music alone where silero-vad finds no speech within `guard_s` of it, in the
    reference if there is one, else in the mixture under the fused mask, and the mixture is not
    silent. None where neither end is, or the file is too short to tell: speech that ends loud is no
    burst.
    """

    edge_s: float = 0.06
    beside_s: float = 0.5
    guard_s: float = 0.1
    least_dbfs: float = -60.0

    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool | None] = False
    reads_mask: ClassVar[bool] = True
    needs_packages: ClassVar[tuple[str, ...]] = ("silero_vad",)

    def __post_init__(self) -> None:
        for name in ("edge_s", "beside_s", "guard_s"):
            seconds = getattr(self, name)
            if not (0 <= seconds < math.inf and (seconds or name == "guard_s")):
                raise ValueError(f"{name} must be a positive number of seconds, got {seconds}")
        if not SILENT_DBFS <= self.least_dbfs < 0:
            raise ValueError(
                f"least_dbfs must be between {SILENT_DBFS:.0f} and 0 dBFS, got {self.least_dbfs}"
            )

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The rise in dB."""
        mixture, whole_s = separation.mixture, self.edge_s + self.beside_s
        if mixture.seconds < whole_s or not mixture.waveform.any():
            return None
        stretches = speech_segments(heard_voice(separation, track))
        reach_s = whole_s + self.guard_s
        with_speech = (
            any(start < reach_s for start, _ in stretches),
            any(end > mixture.seconds - reach_s for _, end in stretches),
        )
        reference = aligned_reference(separation, track)
        rises = []
        for from_end, spoken in enumerate(with_speech):
            there = self._levels(mixture, from_end)
            if spoken or max(there) <= self.least_dbfs:
                continue
            level, beside = self._levels(separation.speech, from_end)
            known = [(there[0] - there[1])]
            if reference is not None:
                voice = self._levels(reference, from_end)
                known.append(voice[0] - voice[1])
            rise = level - beside - max(0.0, *known)
            rises.append(max(0.0, rise) if level > self.least_dbfs else 0.0)
        return max(rises, default=None)

    def _levels(self, audio: Audio, from_end: int) -> tuple[float, float]:
        """Levels in dBFS of an end and of what is beside it."""
        waveform = audio.waveform.flip(-1) if from_end else audio.waveform
        edge, beside = (round(one * audio.sample_rate) for one in (self.edge_s, self.beside_s))
        return _dbfs(waveform[:, :edge]), _dbfs(waveform[:, edge : edge + beside])


def _dbfs(waveform: Tensor) -> float:
    power = float(waveform.double().square().mean()) if waveform.numel() else 0.0
    return max(SILENT_DBFS, 10 * math.log10(power)) if power > 0 else SILENT_DBFS
