"""How many words were lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from speechclean.stages.types import Separation, Track

from .heard import HearsWords


@dataclass(frozen=True)
class WordsLost(HearsWords):
    """Words of `track.transcript` that are not heard: deletions and substitutions.

    Those that are heard besides are `words_invented`. None without a transcript that holds words.
    """

    unit: ClassVar[str] = "words"
    higher_is_better: ClassVar[bool | None] = False
    reads_mask: ClassVar[bool] = False
    needs: ClassVar[str] = "transcript"

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The number of words."""
        found = self.alignment(separation, track)
        return float(found.lost) if found else None
