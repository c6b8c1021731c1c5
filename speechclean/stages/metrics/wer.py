"""Word error rate by Whisper: what a listener would have understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from speechclean.stages.types import Separation, Track

from .heard import HearsWords


@dataclass(frozen=True)
class WordErrorRate(HearsWords):
    """Word error rate against `track.transcript`.

    (substitutions + deletions + insertions) / words; may exceed 1.

    None without a transcript that holds words. Silence reads 1: nothing was recognised.
    """

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = False
    reads_mask: ClassVar[bool] = False
    needs: ClassVar[str] = "transcript"

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The error rate, 0 or more."""
        found = self.alignment(separation, track)
        return found.rate if found else None
