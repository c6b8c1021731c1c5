"""Every sound file that a pattern matches."""

from __future__ import annotations

import glob
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from speechclean.stages.types import Track
from speechclean.system.paths import expanded, is_dir, is_file
from speechclean.system.plain_text import one_line

from . import DatasetError, aliases, shards

log = logging.getLogger(__name__)

#: What libsndfile reads and people keep speech in.
EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".w64", ".rf64", ".opus")


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
        # Path.glob takes no absolute pattern, and follows no links to folders.
        matches = glob.glob(pattern, recursive=True)  # noqa: PTH207
        found = sorted(path for path in matches if path.lower().endswith(EXTENSIONS))
        files = [Path(path) for path in found if not _goes_round(path)]
        others = _kinds(set(matches).difference(found))
        if not files:
            raise DatasetError(
                f"dataset.pattern={self.pattern!r} matches no sound file ({', '.join(EXTENSIONS)}) "
                f"from {Path.cwd()}{f', but others: {others}' if others else ''}; "
                "quote the pattern so that the shell leaves it alone"
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


def _goes_round(path: str) -> bool:
    """Whether a path passes through a link that leads back to a folder above it.

    glob would follow it forty times.
    """
    for folder in Path(path).parents:
        if folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve()):
            return True
    return False


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
