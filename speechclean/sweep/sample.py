"""A few files that stand for many: from each class of music level and loudness its share."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from speechclean.audio.loudness import integrated_lufs
from speechclean.audio.sound_files import load, probe
from speechclean.audio.waveform import Audio, AudioError
from speechclean.stages.types import Track
from speechclean.system.csv_tables import csv_text

log = logging.getLogger(__name__)
#: Files that are listened to for each one that is taken: more say little more of the classes.
CANDIDATES = 4
#: Longer files, in seconds, would fill the sample alone.
LONGEST_S = 120.0
#: Classes of music level, and of loudness in each of them.
LEVELS, LOUDNESSES = 3, 2


@dataclass(frozen=True)
class Heard:
    """A track, its music over its speech in dB, and its loudness in LUFS."""

    track: Track
    music_db: float
    lufs: float


def heard(
    tracks: Iterable[Track], music_db: Callable[[Audio], float]
) -> Iterator[tuple[Track, Heard | None]]:
    """What is known of each track; None for what is no sound, too long, silent or without speech.

    music_db: such as `MusicFound.music_db`
    """
    for track in tracks:
        try:
            info = probe(track.path)
            if info.samples > LONGEST_S * info.sample_rate:
                log.info("%s: longer than %g s, so it is not taken", track.path, LONGEST_S)
                yield track, None
                continue
            sound = load(track.path)
            lufs, music = integrated_lufs(sound), music_db(sound)
        except (AudioError, OSError, RuntimeError) as error:
            log.info("%s: not taken (%s)", track.path, error)
            yield track, None
            continue
        known = lufs is not None and math.isfinite(lufs) and not math.isnan(music)
        yield track, Heard(track, music, float(lufs or 0)) if known else None


def candidates(tracks: Sequence[Track], count: int, seed: int) -> list[Track]:
    """Tracks that are worth listening to for a sample of `count`, the same for the same seed."""
    ordered = sorted(tracks, key=lambda track: track.alias)
    wanted = min(len(ordered), CANDIDATES * count)
    return random.Random(seed).sample(ordered, wanted)


def stratified(found: Sequence[Heard], count: int, seed: int) -> list[Track]:
    """`count` tracks, from every class as many as its share, at least one where there is room.

    Classes are thirds by music level, and halves of each by loudness.
    """
    classes = [
        part
        for level in _parts(sorted(found, key=lambda one: one.music_db), LEVELS)
        for part in _parts(sorted(level, key=lambda one: one.lufs), LOUDNESSES)
        if part
    ]
    generator = random.Random(seed)
    queues = [generator.sample(part, len(part)) for part in classes]
    taken: list[Track] = []
    # Round by round: all classes are of one size, up to one file.
    while len(taken) < count and any(queues):
        for queue in queues:
            if queue and len(taken) < count:
                taken.append(queue.pop().track)
    return sorted(taken, key=lambda track: track.alias)


def _parts(items: Sequence[Heard], count: int) -> list[Sequence[Heard]]:
    edges = [round(number * len(items) / count) for number in range(count + 1)]
    return [items[start:stop] for start, stop in pairwise(edges)]


def table(tracks: Iterable[Track]) -> str:
    """A manifest of tracks, for `dataset=manifest`; paths are absolute."""
    rows = [
        {
            "path": str(track.path.absolute()),
            "reference": str(track.reference_path.absolute()) if track.reference_path else None,
            "transcript": track.transcript,
            "language": track.language,
            "alias": track.alias,
        }
        for track in tracks
    ]
    return csv_text(list(rows[0]), rows)
