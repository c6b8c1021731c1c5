"""Files that some tool has already cleaned, beside their mixtures: what an evaluation judges."""

from __future__ import annotations

from dataclasses import dataclass, replace

from speechclean.stages.types import Track
from speechclean.system.paths import expanded, is_dir

from . import DatasetError
from .folder import Folder
from .manifest import Manifest


@dataclass(frozen=True)
class Cleaned:
    """Pairs of a mixture and its cleaned file, from two folders or from a table.

    mixtures, cleaned: two folders; files belong together that have one relative path, whatever
        their extension
    references: a folder of clean speech, named likewise; files may be missing in it
    path: instead of folders, a manifest with the columns
        `path,cleaned[,reference,transcript,alias,language]`
    """

    mixtures: str | None = None
    cleaned: str | None = None
    references: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        if (self.path is None) == (self.mixtures is None or self.cleaned is None):
            raise ValueError("path, or mixtures and cleaned: give a table, or two folders")

    def tracks(self) -> list[Track]:
        """One track per pair.

        Raises `DatasetError` for a missing folder, and names every mixture that has no cleaned
        file.
        """
        if self.path is not None:
            tracks = Manifest(self.path).tracks()
            missing = [track.alias for track in tracks if track.cleaned_path is None]
            if missing:
                raise DatasetError(
                    f"{self.path}: no cleaned file in the column 'cleaned' for {_some(missing)}"
                )
            return tracks
        mixtures, cleaned = _by_name(self.mixtures), _by_name(self.cleaned)
        references = _by_name(self.references) if self.references else {}
        missing = [name for name in mixtures if name not in cleaned]
        if missing:
            raise DatasetError(
                f"{self.cleaned}: no cleaned file for {_some(missing)}; "
                "a pair has one relative path in both folders, whatever the extension"
            )
        return [
            replace(
                track,
                cleaned_path=cleaned[name].path,
                reference_path=references[name].path if name in references else None,
            )
            for name, track in mixtures.items()
        ]


def _by_name(folder: str | None) -> dict[str, Track]:
    """The sound files below a folder by their relative path without extension."""
    root = expanded(str(folder))
    if not is_dir(root):
        raise DatasetError(f"{folder}: no such folder")
    return {
        track.path.relative_to(root).with_suffix("").as_posix(): track
        for track in Folder(str(root)).tracks()
    }


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
