"""The paths that a pattern matches, as `glob` has it, but each folder once.

Links between folders lead to one file in many ways, and round in circles; `glob` goes all of them,
forty times each. Here a folder is listed by its own path if the pattern leads there, else by the
shortest.
"""

from __future__ import annotations

import fnmatch
import glob
import heapq
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speechclean.system.long_loops import watched
from speechclean.system.paths import exists, is_dir

#: Where in a pattern: the number of its part that is the next name's to fit.
Place = int


@dataclass
class Matches:
    """What a pattern matches.

    base: the folder above the first wildcard; paths: of files and folders, `base` included
    passed: folders that are listed by another path already, as links lead to them
    """

    base: Path
    paths: list[Path] = field(default_factory=list)
    passed: list[Path] = field(default_factory=list)


def matches_of(pattern: str) -> Matches:
    """All that a pattern matches; `**` stands for any number of folders, and links are followed."""
    found = Matches(fixed_part(pattern))
    walk = _walk(found, Path(pattern).relative_to(found.base).parts)
    found.paths += watched(walk, pattern, "paths that match")
    return found


def fixed_part(pattern: str) -> Path:
    """The folder above the pattern's first wildcard, which all matches have in common.

    >>> fixed_part("tts/en/**/*.wav").as_posix()
    'tts/en'
    """
    parts = Path(pattern).parts
    fixed = [
        part
        for index, part in enumerate(parts)
        if not any(glob.has_magic(p) for p in parts[: index + 1])
    ]
    folder = Path(*fixed) if fixed else Path()
    return folder.parent if len(fixed) == len(parts) else folder


def _walk(found: Matches, wanted: Sequence[str]) -> Iterator[Path]:
    """The matching paths; folders that are reached by no link come first, then the nearest."""
    seen, given = set[tuple[str, Place]](), set[tuple[str, str]]()
    waiting = [(False, 0, found.base, _with_skipped({0}, wanted))]
    while waiting:
        linked, depth, folder, places = heapq.heappop(waiting)
        real = os.path.realpath(folder)
        # What was listed for one part of the pattern may still have matches for another.
        places = frozenset(one for one in places if (real, one) not in seen)
        if not places - {len(wanted)}:
            found.passed.append(folder)
            continue
        seen |= {(real, one) for one in places}
        for name, is_folder, is_link in _listed(
            folder, {wanted[one] for one in places if one < len(wanted)}
        ):
            following = _following(name, places, wanted)
            if len(wanted) in following and (real, name) not in given:
                given.add((real, name))
                yield folder / name
            if is_folder and following - {len(wanted)}:
                entry = linked or is_link, depth + 1, folder / name, following
                heapq.heappush(waiting, entry)


def _listed(folder: Path, parts: Iterable[str]) -> Iterator[tuple[str, bool, bool]]:
    """Names in a folder, whether each is a folder, and whether it is a link.

    Names without a wildcard are asked for: `..` is in no listing, and not every folder may be
    listed.
    """
    asked = {part for part in parts if not glob.has_magic(part)}
    if set(parts) != asked:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    asked.discard(entry.name)
                    yield entry.name, _is_folder(entry), entry.is_symlink()
        except OSError:  # it may not be read: nothing in it matches
            pass
    for name in sorted(asked):
        path = folder / name
        if exists(path):
            yield name, is_dir(path), path.is_symlink()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle
        return False


def _following(name: str, places: Iterable[Place], wanted: Sequence[str]) -> frozenset[Place]:
    """Where in the pattern its next name belongs after this one; its length where it is matched.

    >>> sorted(_following("a", {0, 1}, ["**", "*.wav"]))
    [0, 1]
    >>> sorted(_following("x.wav", {0, 1}, ["**", "*.wav"]))
    [0, 1, 2]
    """
    hidden, following = name.startswith("."), set[Place]()
    for place in places:
        if place == len(wanted):
            continue
        part = wanted[place]
        if part == "**":
            following |= set() if hidden else {place}
        elif part == name or (hidden <= part.startswith(".") and fnmatch.fnmatchcase(name, part)):
            following.add(place + 1)
    return _with_skipped(following, wanted)


def _with_skipped(places: Iterable[Place], wanted: Sequence[str]) -> frozenset[Place]:
    """The places, and those behind each `**`, which may stand for no folder at all."""
    found = set(places)
    for place in range(len(wanted)):
        if place in found and wanted[place] == "**":
            found.add(place + 1)
    return frozenset(found)
