"""Without a transcript: how much the recogniser disagrees with itself on the mixture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from speechclean.stages.types import Separation, Track

from .alignment import align, normalise
from .heard import HearsWords


@dataclass(frozen=True)
class WordsVsMixture(HearsWords):
    """Word error rate of the speech against what the same recogniser hears in the mixture.

    0 for the mixture itself.

    A change of words, not an error: where music hid a word, hearing it is a change too. A large one
    says that a file wants listening to. So it is neither good nor bad, and is only measured where
    there is no transcript, or `wer` would say more. None with a transcript that holds words, and
    where nothing is recognised in the mixture.
    """

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = None
    reads_mask: ClassVar[bool] = False

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The rate of changed words, 0 or more."""
        if any(character.isalnum() for character in track.transcript or ""):
            return None
        language = self.spoken(separation, track)
        wanted = normalise(self.hear(separation.mixture, language), language)
        if not wanted:
            return None
        return align(wanted, normalise(self.hear(separation.speech, language), language)).rate
