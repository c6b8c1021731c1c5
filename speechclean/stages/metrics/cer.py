"""Character error rate: as `wer`, but a word that is nearly right costs little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from speechclean.stages.types import Separation, Track

from .heard import HearsWords


@dataclass(frozen=True)
class CharacterErrorRate(HearsWords):
    """Character error rate against `track.transcript`.

    (substitutions + deletions + insertions) / characters, of what `wer` compares by words. None
    without a transcript that holds words. Silence reads 1: nothing was recognised.
    """

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = False
    reads_mask: ClassVar[bool] = False
    needs_packages: ClassVar[tuple[str, ...]] = (*HearsWords.needs_packages, "jiwer")
    needs: ClassVar[str] = "transcript"

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The error rate, 0 or more."""
        found = self.texts(separation, track)
        return character_error_rate(*found) if found else None


def character_error_rate(wanted: str, heard: str) -> float:
    """Character error rate of two normalised texts, `wanted` not empty.

    >>> character_error_rate("the cat", "the bat")
    0.14285714285714285
    """
    import jiwer

    return float(jiwer.process_characters(wanted, heard).cer)
