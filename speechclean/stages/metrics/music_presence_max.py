"""Whether a sound tagger hears music anywhere."""

from __future__ import annotations

from dataclasses import dataclass

from .music_presence import MusicPresence


@dataclass(frozen=True)
class MusicPresenceMax(MusicPresence):
    """`MusicPresence` in the window with the most of it.

    One jingle in an hour counts, where the mean would lose it.
    """

    statistic: str = "max"
