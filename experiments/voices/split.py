"""Which voice is for what: `voices.tsv`, read by everything that makes speech and by every
training.

`used_for` is `training`; `transcribed` or `pilot` (held out); `apart` (half of a held-out voice:
said by nobody, heard by no training) or `unused` (no text of ours is in its language). A name with
a plus is a voice that was not there before, halfway between two. `ids_in_train` names what
../shared/data/train has of a voice under its own ids: a training leaves those out too.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("voices.tsv")
RATES = {"kokoro": 24_000, "piper": 22_050}  # Hz


@dataclass(frozen=True)
class Voice:
    """A voice by name, in espeak-ng's accent."""

    name: str
    engine: str
    accent: str
    used_for: tuple[str, ...] = ()
    ids_in_train: tuple[str, ...] = ()

    @property
    def language(self) -> str:
        """Its two letters, as manifests have it."""
        return self.accent[:2]

    @property
    def rate(self) -> int:
        return RATES[self.engine]

    @property
    def styles(self) -> list[str]:
        """The voices of Kokoro that it is the mean of."""
        return self.name.split("+")

    @property
    def held_out(self) -> bool:
        """Whether no training may hear it."""
        return not {"training", "unused"} & set(self.used_for)


@cache
def voices() -> tuple[Voice, ...]:
    """All of the table, in its order."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return tuple(
            Voice(
                row["voice"],
                row["engine"],
                row["accent"],
                tuple(row["used_for"].split()),
                tuple(row["ids_in_train"].split()),
            )
            for row in csv.DictReader(file, delimiter="\t")
        )


def voices_for(use: str) -> list[Voice]:
    """Those that are used for `training`, `transcribed` or `pilot`."""
    return [voice for voice in voices() if use in voice.used_for]


def held_out_ids() -> frozenset[str]:
    """What a training must leave out of ../shared/data/train."""
    return frozenset(name for voice in voices() if voice.held_out for name in voice.ids_in_train)


def for_training(names: Iterable[str]) -> list[Voice]:
    """These voices, of which a plus makes new ones. Raises `ValueError` if any is held out, or a
    part of it is.
    """
    allowed = {voice.name: voice for voice in voices_for("training")}
    made = []
    for name in names:
        parts = [allowed.get(part) for part in name.split("+")]
        if None in parts:
            raise ValueError(f"{name}: no training may hear this voice; see {TABLE.name}")
        first = parts[0]
        assert first is not None
        made.append(Voice(name, first.engine, first.accent, ("training",)))
    return made
