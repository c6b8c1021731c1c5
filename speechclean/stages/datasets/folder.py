"""Every sound file that a pattern matches."""

from __future__ import annotations

import glob
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechclean.stages.types import Track
from speechclean.system.long_loops import watched
from speechclean.system.paths import expanded, is_dir, is_file
from speechclean.system.plain_text import one_line

from . import DatasetError, aliases, shards
from .matching import matches_of

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
        matches = matches_of(pattern)
        files = sorted(
            (path for path in matches.paths if path.name.lower().endswith(EXTENSIONS)), key=str
        )
        others = _kinds(set(matches.paths).difference(files))
        if not files:
            raise DatasetError(
                f"dataset.pattern={self.pattern!r} matches no sound file ({', '.join(EXTENSIONS)}) "
                f"from {Path.cwd()}{f', but others: {others}' if others else ''}; "
                "quote the pattern so that the shell leaves it alone"
            )
        if matches.passed:
            log.warning(
                "dataset.pattern=%s: links to folders that are there by another path are passed "
                "by: %d, the first is %s",
                self.pattern,
                len(matches.passed),
                matches.passed[0],
            )
        if others:
            log.warning(
                "dataset.pattern=%s: files of other kinds are passed by: %s", self.pattern, others
            )
        tracks = _named(files, matches.base)
        return shards.share(
            tracks, lambda track: track.path.relative_to(matches.base).as_posix(), self.shard
        )


def _named(files: Sequence[Path], base: Path) -> list[Track]:
    """A track for each file, under a name of its own."""
    origins, given, below = [], [], []
    for file in watched(files, str(base), "files", len(files)):
        path = file.relative_to(base)
        origins.append(str(path))
        given.append(aliases.from_relative(path))
        below.append(aliases.place(path))
    names, places = aliases.unique(given, origins), aliases.unique(below, origins)
    return [
        Track(alias, path, relative=at)
        for alias, path, at in zip(names, files, places, strict=True)
    ]


def _kinds(paths: Iterable[Path], most: int = 12) -> str:
    """How many files there are of each kind, the commonest first: `3 .m4a, 1 .txt`."""
    counts = Counter(
        one_line(path.suffix.lower(), 12) or "without an extension"
        for path in paths
        if is_file(path)
    )
    shown = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
    named = [f"{count} {kind}" for kind, count in shown]
    left = counts.total() - sum(count for _, count in shown)
    return ", ".join([*named, f"{left} of yet others"] if left else named)
