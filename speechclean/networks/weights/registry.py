"""The table of published weights: `assets/weights.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from speechclean.system.resources import asset

TABLE = asset("weights.yaml")


class TableError(ValueError):
    """A table that cannot be read; the message says where."""


@dataclass(frozen=True)
class Source:
    """One address of a file.

    `sha256` is the whole of it, its beginning, or None where the publisher states none.
    """

    url: str
    sha256: str | None = None

    @property
    def name(self) -> str:
        """What the file is called on disk.

        >>> Source("https://host/a/Cnn14_mAP%3D0.431.pth?download=1").name
        'Cnn14_mAP=0.431.pth'
        """
        return PurePosixPath(unquote(urlsplit(self.url).path)).name


@dataclass(frozen=True)
class File:
    """One file that a model needs, from the first source that works.

    `size_mb` is in 10^6 bytes, None where it is not known.
    """

    sources: tuple[Source, ...]
    size_mb: float | None = None


@dataclass(frozen=True)
class Model:
    """A published model: how to choose it on the command line, its licence, its files."""

    name: str
    choose: str
    licence: str
    files: tuple[File, ...]

    @property
    def size_mb(self) -> float | None:
        """Of all files, None unless all are known."""
        sizes = [file.size_mb for file in self.files if file.size_mb is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None


@cache
def models(path: Path = TABLE) -> dict[str, Model]:
    """Every model of a table, by name. Raises `TableError`."""
    try:
        return {
            name: _model(name, entry) for name, entry in yaml.safe_load(path.read_text()).items()
        }
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise TableError(
            f"{path}: not a table of weights ({type(error).__name__}: {error})"
        ) from error


def _model(name: str, entry: dict[str, Any]) -> Model:
    files = []
    for item in entry["files"]:
        sources = tuple(Source(source["url"], source.get("sha256")) for source in item["sources"])
        unsafe = [
            source.url
            for source in sources
            if source.name in ("", ".", "..") or "\\" in source.name
        ]
        if unsafe or not sources:
            raise TableError(f"{name}: {unsafe or 'a file without sources'} names no file")
        files.append(File(sources, item.get("size_mb")))
    return Model(
        str(name),
        str(entry.get("choose", "")),
        str(entry.get("licence", "not stated")),
        tuple(files),
    )
