"""Every sound file that a pattern matches."""

from __future__ import annotations

import fnmatch
import glob
import logging
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechclean.stages.types import Track
from speechclean.system.paths import expanded, is_dir, is_file
from speechclean.system.plain_text import one_line

from . import DatasetError, aliases, shards

log = logging.getLogger(__name__)

#: What libsndfile reads and people keep speech in, and what FFmpeg reads besides: films as well.
EXTENSIONS = (
    *(".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".w64", ".rf64", ".opus"),
    *(".m4a", ".m4b", ".mp4", ".m4v", ".mov", ".3gp", ".3g2"),
    *(".aac", ".amr", ".wma", ".wmv", ".asf"),
    *(".webm", ".weba", ".mkv", ".mka", ".flv", ".avi", ".wv"),
)


@dataclass(frozen=True)
class Folder:
    """The files that `pattern` matches, in the order of their paths.

    pattern: a path with `*`, `?`, `[...]` and `**`, e.g. `tts/**/*.wav`; a plain folder stands for
        everything in and below it
    shard: `i/n` for a share of them (`shards.py`)
    """

    pattern: str
    shard: str | None = None

    def __post_init__(self) -> None:
        shards.check(self.shard)
        if not self.pattern.strip():
            raise ValueError("pattern is empty; give one, e.g. dataset.pattern='tts/**/*.wav'")

    def tracks(self) -> list[Track]:
        """One track per file. Raises `DatasetError` when there is none."""
        pattern = str(expanded(self.pattern))
        if is_dir(Path(pattern)):
            pattern = str(Path(glob.escape(pattern), "**", "*"))
        elif is_file(Path(pattern)):  # whatever signs there are in its name
            pattern = glob.escape(pattern)
        matches = _matching(pattern)
        found = sorted(path for path in matches if path.lower().endswith(EXTENSIONS))
        files = _once_each([Path(path) for path in found])
        others = _kinds(set(matches).difference(found))
        if not files:
            raise DatasetError(
                f"dataset.pattern={self.pattern!r} matches no sound file ({', '.join(EXTENSIONS)}) "
                f"from {Path.cwd()}{f', but others: {others}' if others else ''}; "
                "quote the pattern so that the shell leaves it alone"
            )
        if len(found) > len(files):
            log.warning(
                "dataset.pattern=%s: %d paths lead by links to files that are there by another one",
                self.pattern,
                len(found) - len(files),
            )
        if others:
            log.warning(
                "dataset.pattern=%s: files of other kinds are passed by: %s", self.pattern, others
            )
        base = _fixed_part(pattern)
        relative = [path.relative_to(base) for path in files]
        names = aliases.unique(
            [aliases.from_relative(path) for path in relative], [str(path) for path in relative]
        )
        places = aliases.unique(
            [aliases.place(path) for path in relative], [str(path) for path in relative]
        )
        tracks = [
            Track(alias, path, relative=at)
            for alias, path, at in zip(names, files, places, strict=True)
        ]
        return shards.share(
            tracks, lambda track: track.path.relative_to(base).as_posix(), self.shard
        )


def _kinds(paths: Iterable[str], most: int = 12) -> str:
    """How many files there are of each kind, the commonest first: `3 .m4a, 1 .txt`."""
    counts = Counter(
        one_line(path.suffix.lower(), 12) or "without an extension"
        for path in map(Path, paths)
        if is_file(path)
    )
    shown = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
    named = [f"{count} {kind}" for kind, count in shown]
    left = counts.total() - sum(count for _, count in shown)
    return ", ".join([*named, f"{left} of yet others"] if left else named)


def _matching(pattern: str) -> list[str]:
    """The paths that a pattern matches; links to folders are followed, and never round."""
    if "**" not in Path(pattern).parts:
        # Path.glob takes no absolute pattern, and follows no links to folders.
        return glob.glob(pattern)  # noqa: PTH207
    base = _fixed_part(pattern)
    wanted = Path(pattern).relative_to(base).parts
    return [str(base / path) for path in _below(base) if _fits(path.parts, wanted)]


def _fits(names: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether the parts of a path fit those of a pattern, as in `glob`.

    >>> _fits(("a", "b", "x.wav"), ("**", "*.wav")), _fits((".b", "x.wav"), ("**", "*.wav"))
    (True, False)
    """
    if not wanted:
        return not names
    if wanted[0] == "**":
        deeper = bool(names) and not names[0].startswith(".") and _fits(names[1:], wanted)
        return deeper or _fits(names, wanted[1:])
    if not names or names[0].startswith(".") > wanted[0].startswith("."):
        return False
    return fnmatch.fnmatchcase(names[0], wanted[0]) and _fits(names[1:], wanted[1:])


def _below(base: Path) -> Iterator[Path]:
    """Everything below a folder, relative to it; each folder once, by its own path if it has one.

    glob itself would follow links that lead in a circle forty times, in every order that there is.
    """
    tops, seen = deque([base]), set[str]()
    while tops:
        for place, folders, files in os.walk(tops.popleft()):
            if (real := os.path.realpath(place)) in seen:
                log.info("%s: a link to a folder that is listed already, passed by", place)
                folders.clear()
                continue
            seen.add(real)
            relative = Path(place).relative_to(base)
            yield from (relative / name for name in (*folders, *files))
            tops.extend(
                Path(place, name) for name in sorted(folders) if Path(place, name).is_symlink()
            )


def _once_each(paths: Sequence[Path]) -> list[Path]:
    """The paths, in their order, by which every folder is reached: one of its own, or the shortest.

    Links between folders lead to one file in many ways.
    """

    def place(folder: Path) -> tuple[bool, int, Path]:
        return folder.absolute() != real[folder], len(folder.parts), folder

    real: dict[Path, Path] = {}
    shortest: dict[Path, Path] = {}
    for path in paths:
        folder = path.parent
        if folder not in real:
            real[folder] = folder.resolve()
            known = shortest.setdefault(real[folder], folder)
            shortest[real[folder]] = min(known, folder, key=place)
    return [path for path in paths if shortest[real[path.parent]] == path.parent]


def _fixed_part(pattern: str) -> Path:
    """The folder above the pattern's first wildcard, which all matches have in common.

    >>> _fixed_part("tts/en/**/*.wav").as_posix()
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
