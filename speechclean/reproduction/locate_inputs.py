"""The inputs of a recorded run, found again by their contents.

They are looked for where they were, below a folder, and in the package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speechclean.records.provenance import file_hash
from speechclean.records.run_folder import MANIFEST_COLUMNS
from speechclean.stages.datasets.manifest import PILOT
from speechclean.system.csv_tables import csv_text
from speechclean.system.plain_text import one_line

Row = dict[str, str]


@dataclass(frozen=True)
class LocatedInputs:
    """Where the inputs of a run are now.

    rows: of a manifest, with the paths of now
    differences: inputs whose contents are others, a line each
    missing: inputs that are not there at all, a line each
    unproven: files of which the record does not show that the run knew them, a line each
    """

    rows: list[Row]
    differences: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)

    def manifest(self) -> str:
        """The rows as a table that `dataset=manifest` reads."""
        columns = MANIFEST_COLUMNS
        return csv_text(
            columns, [{column: row.get(column) for column in columns} for row in self.rows]
        )


def locate(rows: Sequence[Row], root: Path | None) -> LocatedInputs:
    """Find every input (and reference) by its hash.

    At its path, below `root`, or in the package. What a record names without the hash of its
    contents may be any file of whoever repeats the run, and what a run reads, it uploads: such
    files are listed as `unproven`, those with other contents too unless they lie below `root`.
    """
    index = _FileIndex([folder for folder in (root, PILOT.parent) if folder is not None])
    found = LocatedInputs([])
    for row in rows:
        now = dict(row)
        for column, expected in (
            ("path", row["sha256"]),
            ("reference", row["sha256_of_reference"]),
        ):
            if not row[column]:
                continue
            path = index.find(Path(row[column]), expected)
            if path is None:
                found.missing.append(
                    f"input {row['alias']}: {one_line(row[column])} is not there; "
                    "say where with inputs.root=FOLDER"
                )
                continue
            now[column] = str(path)
            shown = f"input {row['alias']}: {one_line(path)}"
            if not expected:
                found.unproven.append(f"{shown} ({column}): the record has no hash of it")
            elif file_hash(path) != expected:
                found.differences.append(f"{shown} has other contents than then ({column})")
                if root is None or not path.resolve().is_relative_to(root.resolve()):
                    found.unproven.append(f"{shown} ({column}): the record has another hash")
        found.rows.append(now)
    return found


class _FileIndex:
    """Files below some folders, by name."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._by_name: Mapping[str, list[Path]] | None = None

    def find(self, recorded: Path, sha256: str) -> Path | None:
        """The file with these contents.

        Without one, the file at the recorded path, or one of its name, whatever it holds.
        """
        if recorded.is_file() and (not sha256 or file_hash(recorded) == sha256):
            return recorded.absolute()
        # A file whose path agrees more with the recorded one is looked into sooner.
        named = sorted(
            self._index().get(recorded.name, []), key=lambda path: -_common_tail(path, recorded)
        )
        same = [path for path in named if file_hash(path) == sha256]
        same = (
            same
            or [
                path
                for paths in self._index().values()
                for path in paths
                if sha256 and file_hash(path) == sha256
            ][:1]
        )
        candidates = [*same, *([recorded] if recorded.is_file() else []), *named]
        return candidates[0].absolute() if candidates else None

    def _index(self) -> Mapping[str, list[Path]]:
        if self._by_name is None:
            index: dict[str, list[Path]] = {}
            for path in (
                path for root in self._roots for path in sorted(root.rglob("*")) if path.is_file()
            ):
                index.setdefault(path.name, []).append(path)
            self._by_name = index
        return self._by_name


def _common_tail(one: Path, two: Path) -> int:
    pairs = zip(reversed(one.parts), reversed(two.parts), strict=False)
    return next(
        (index for index, (a, b) in enumerate(pairs) if a != b), min(len(one.parts), len(two.parts))
    )
