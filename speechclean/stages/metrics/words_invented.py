"""How many words are heard that nobody said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from speechclean.stages.types import Separation, Track

from .heard import HearsWords


@dataclass(frozen=True)
class WordsInvented(HearsWords):
    """Insertions: words that are heard besides those of `track.transcript`.

    Recognisers invent words on music alone, in a lead-in say: they tell of what is left of the
    music, rather than of what is gone of the voice. None without a transcript that holds words.
    """

    unit: ClassVar[str] = "words"
    higher_is_better: ClassVar[bool | None] = False
    reads_mask: ClassVar[bool] = False
    needs: ClassVar[str] = "transcript"

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The number of words."""
        found = self.alignment(separation, track)
        return float(found.insertions) if found else None
