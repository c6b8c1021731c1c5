"""Texts as words, and what was heard held against what was said."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Languages that write no spaces between words: their characters are counted (Radford et al. 2022,
#: appendix C).
UNSPACED = ("ja", "lo", "my", "th", "yue", "zh")
#: What an error, a word that it costs, and one that is not replaced add to an alignment's number.
_ERROR, _LOST, _DELETION = 1 << 42, 1 << 21, 1


@dataclass(frozen=True)
class Alignment:
    """How words that were heard come from words that were said.

    words: how many were said
    substitutions, deletions: those of them that were heard as others, or not at all
    insertions: how many were heard besides
    """

    words: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def lost(self) -> int:
        """Words that were said and not heard."""
        return self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Word error rate: all errors over the words that were said, of which there is one."""
        return (self.lost + self.insertions) / self.words


def align(wanted: str, heard: str) -> Alignment:
    """The alignment of two normalised texts with the fewest errors.

    Among several of them the one that finds most words again, then the one with most substitutions:
    words on a musical lead-in are insertions, whatever comes after.

    >>> align("the cat sat down", "oh the bat sat")
    Alignment(words=4, substitutions=1, deletions=1, insertions=1)
    """
    return _align(tuple(wanted.split()), tuple(heard.split()))


def lost_words(wanted: str, heard: str) -> list[int]:
    """Which words of a normalised text were lost in `align`, by their places from 0 on.

    Where several alignments are equally good, the words that come last are found again.

    >>> lost_words("the cat sat down", "oh the bat sat")
    [1, 3]
    """
    said, rows = tuple(heard.split()), list(_rows(tuple(wanted.split()), tuple(heard.split())))
    words, lost, at = wanted.split(), [], len(said)
    for place in range(len(words) - 1, -1, -1):
        above, row = rows[place], rows[place + 1]
        while True:
            same = at > 0 and words[place] == said[at - 1]
            if at and row[at] == above[at - 1] + (0 if same else _ERROR + _LOST):
                at -= 1
                break
            same = False
            if row[at] == above[at] + _ERROR + _LOST + _DELETION:
                break
            at -= 1  # heard besides
        if not same:
            lost.append(place)
    return lost[::-1]


@functools.lru_cache(maxsize=256)
def _align(wanted: tuple[str, ...], heard: tuple[str, ...]) -> Alignment:
    *_, row = _rows(wanted, heard)
    errors, rest = divmod(int(row[-1]), _ERROR)
    missing, deletions = divmod(rest, _LOST)
    return Alignment(len(wanted), missing - deletions, deletions, errors - missing)


def _rows(wanted: tuple[str, ...], heard: tuple[str, ...]) -> Iterator[NDArray[np.int64]]:
    """Levenshtein's distance, row by row, with errors, lost words and deletions in one number."""
    codes = {word: number for number, word in enumerate(dict.fromkeys(wanted + heard))}
    said = np.array([codes[word] for word in heard], np.int64)
    insertions = _ERROR * np.arange(len(said) + 1, dtype=np.int64)
    row = insertions
    yield row
    for word in wanted:
        changed = row[:-1] + (said != codes[word]) * (_ERROR + _LOST)
        below = row + (_ERROR + _LOST + _DELETION)
        below[1:] = np.minimum(below[1:], changed)
        # Insertions to the left of it: a running minimum, seen from a slope of one error a word.
        row = np.minimum.accumulate(below - insertions) + insertions
        yield row


def normalise(text: str, language: str | None = "en") -> str:
    """The words of a text in Whisper's normal form for a language.

    English as speech recognition is scored today: case, punctuation, "don't" = "do not", "twenty
    one" = "21", British spelling. Others lose case, punctuation and what stands in brackets.

    Empty when it holds no words (whitespace, "...", "[music]").

    >>> normalise("Don't pay Twenty-One pounds!") == normalise("do not pay 21 pounds")
    True
    >>> normalise("Schöne Grüße!", "de")
    'schöne grüße'
    """
    words = str(_normaliser(language)(text)).strip()
    return words if any(character.isalnum() for character in words) else ""


@functools.cache
def _normaliser(language: str | None) -> Any:
    from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer

    if language == "en":
        return EnglishTextNormalizer()
    return BasicTextNormalizer(split_letters=language in UNSPACED)
