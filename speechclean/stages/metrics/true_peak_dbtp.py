"""True peak of the speech."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from speechclean.audio.loudness import true_peak_dbtp
from speechclean.stages.types import Separation, Track


@dataclass(frozen=True)
class TruePeak:
    """Highest level between the samples in dBTP (ITU-R BS.1770-4, annex 2).

    Above 0 a player clips. None for silence.
    """

    oversampling: int = 4

    unit: ClassVar[str] = "dBTP"
    higher_is_better: ClassVar[bool | None] = None
    reads_mask: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.oversampling < 4:
            raise ValueError(
                f"oversampling must be at least 4 (BS.1770-4), got {self.oversampling}"
            )

    def __call__(self, separation: Separation, track: Track) -> float | None:  # noqa: ARG002
        """The level in dBTP."""
        return true_peak_dbtp(separation.speech, self.oversampling)
