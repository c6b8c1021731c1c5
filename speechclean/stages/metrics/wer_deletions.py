"""Words that were not heard at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from speechclean.stages.types import Separation, Track

from .heard import HearsWords


@dataclass(frozen=True)
class Deletions(HearsWords):
    """Deletions over the words of `track.transcript`: the part of `wer` that is silence.

    Cleaning that takes words away shows here; a word on music alone, or one word for another, does
    not. 0 to 1. None without a transcript that holds words. Silence reads 1.
    """

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = False
    reads_mask: ClassVar[bool] = False
    needs: ClassVar[str] = "transcript"

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The rate, 0 to 1."""
        found = self.alignment(separation, track)
        return found.deletions / found.words if found else None
