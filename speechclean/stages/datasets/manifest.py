"""A table of inputs, with references and transcripts where they are known."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

from speechclean.stages.types import Track
from speechclean.system.long_loops import watched
from speechclean.system.paths import exists, expanded, is_file
from speechclean.system.resources import asset

from . import DatasetError, aliases, shards
from .table import Row, read

COLUMNS = ("path", "reference", "transcript", "alias", "cleaned", "language")
#: The mixtures that ship with the package: synthesised speech over composed music
#: (`experiments/pilot_data`).
PILOT = asset("pilot", "manifest.csv")


@dataclass(frozen=True)
class Manifest:
    """A csv or tsv file with the columns `path[,reference,transcript,alias,cleaned,language]`.

    Its paths are relative to itself.

    path: the table; comma or tab is told by the header
    shard: `i/n` for a share of its rows (`shards.py`)
    """

    path: str
    shard: str | None = None

    def __post_init__(self) -> None:
        shards.check(self.shard)
        if not str(self.path).strip():
            raise ValueError("path is empty; give one, e.g. dataset.path=set.csv")

    def tracks(self) -> list[Track]:
        """One track per row.

        Raises `DatasetError` that names every missing column and file at once.
        """
        table = expanded(self.path)
        if not is_file(table):
            raise DatasetError(
                f"dataset.path={self.path}: {'not a file' if exists(table) else 'no such file'}"
            )
        columns, rows = read(table)
        tracks = _tracks(rows, columns, table)
        return [track for track, _ in shards.share(tracks, lambda entry: entry[1], self.shard)]


@dataclass(frozen=True)
class Pilot:
    """The six shipped mixtures, with references and transcripts; `shard` as in `Manifest`."""

    shard: str | None = None

    def __post_init__(self) -> None:
        shards.check(self.shard)

    def tracks(self) -> list[Track]:
        """One track per mixture."""
        return Manifest(str(PILOT), self.shard).tracks()


def _tracks(rows: list[Row], columns: list[str], table: Path) -> list[tuple[Track, str]]:
    """A track per row, with its path as it is written there."""
    wrong = []
    # Other columns are the user's own business, unless they look like one of ours misspelt.
    for column in set(columns) - set(COLUMNS):
        wrong += [
            f"column {column!r}: did you mean {name!r}?"
            for name in difflib.get_close_matches(column, COLUMNS, 1, 0.75)
        ]
    if "path" not in columns:
        wrong.append(
            f"no column 'path' (it has {', '.join(columns) or 'none'}); "
            f"the columns are {', '.join(COLUMNS)}"
        )
    if not rows:
        wrong.append("no rows below the header")
    if wrong:
        raise DatasetError(f"{table}: " + "; ".join(wrong))
    rest, given, written, below = [], [], [], []
    for row in watched(rows, str(table), "rows", len(rows)):
        said, paths, language = _checked(row, table)
        wrong += [f"line {row.line}: {one}" for one in said]
        if (path := paths["path"]) is None:
            continue
        cells = row.cells
        transcript = (cells.get("transcript") or "").strip() or None
        rest.append(
            partial(
                Track,
                path=path,
                reference_path=paths["reference"],
                transcript=transcript,
                cleaned_path=paths["cleaned"],
                language=language,
            )
        )
        given.append(aliases.safe(cells.get("alias") or path.stem))
        written.append(cells["path"].strip())
        below.append(aliases.place(PurePath(written[-1])))
    if wrong:
        raise DatasetError(f"{table}:\n  " + "\n  ".join(wrong))
    names = aliases.unique(given, [str(one.keywords["path"]) for one in rest])
    places = aliases.unique(below, written)
    tracks = (track(name, relative=at) for name, at, track in zip(names, places, rest, strict=True))
    return list(zip(tracks, written, strict=True))


def _checked(row: Row, table: Path) -> tuple[list[str], dict[str, Path | None], str | None]:
    """What is wrong with a row; its paths by column; the code of its language."""
    paths = {
        column: _resolved(row.cells.get(column), table)
        for column in ("path", "reference", "cleaned")
    }
    if row.more:
        return ["more cells than columns; quote a transcript that holds commas"], paths, None
    if paths["path"] is None:
        return ["no path"], paths, None
    # A folder in a list of files is that row's own failure, not the table's.
    wrong = [
        f"no such file: {file}"
        for column, file in paths.items()
        if file and not (exists(file) if column == "path" else is_file(file))
    ]
    language = (row.cells.get("language") or "").strip().lower() or None
    if language and not re.fullmatch(r"[a-z]{2,3}([-_][a-z0-9]+)*", language):
        wrong.append(f"language {row.cells['language']!r}: write its code, e.g. en, de, fr")
    return wrong, paths, _code(language)


def _resolved(cell: str | None, table: Path) -> Path | None:
    return table.parent / expanded(cell.strip()) if cell and cell.strip() else None


def _code(language: str | None) -> str | None:
    """A language without its region: `en-gb` is `en`."""
    return re.split("[-_]", language)[0] if language else None
