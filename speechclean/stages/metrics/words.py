"""How many words were said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from speechclean.stages.types import Separation, Track

from .heard import HearsWords


@dataclass(frozen=True)
class Words(HearsWords):
    """Words of `track.transcript` in normal form: what `words_lost` is out of.

    The same before and after cleaning. None without a transcript that holds words.
    """

    unit: ClassVar[str] = "words"
    higher_is_better: ClassVar[bool | None] = None
    reads_mask: ClassVar[bool] = False
    needs: ClassVar[str] = "transcript"

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The number of words."""
        found = self.alignment(separation, track)
        return float(found.words) if found else None
