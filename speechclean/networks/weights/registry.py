"""The table of published weights: `assets/weights.yaml`."""

from __future__ import annotations

import re
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
        """What the file is called on disk, unless the table gives it another name.

        >>> Source("https://host/a/Cnn14_mAP%3D0.431.pth?download=1").name
        'Cnn14_mAP=0.431.pth'
        """
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class Part:
    """A file in a wheel, or one `inside` a tar that the wheel holds."""

    package: str
    version: str
    member: str
    inside: str | None = None

    @property
    def requirement(self) -> str:
        """As pip is asked for it."""
        return f"{self.package}=={self.version}"

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.requirement, self.member, self.inside)))


@dataclass(frozen=True)
class PackageSource:
    """A file in a package of the index; the `parts` are joined in their order."""

    parts: tuple[Part, ...]

    def __str__(self) -> str:
        packages = dict.fromkeys(part.requirement for part in self.parts)
        return f"{' and '.join(packages)} (package{'s' * (len(packages) > 1)} of the index)"


@dataclass(frozen=True)
class File:
    """One file that a model needs, from the first source that works.

    `size_mb` is in 10^6 bytes, None where it is not known. A file that is not called as at its
    address has a `name`, which may begin with a folder, and is pinned by its whole `sha256`,
    wherever it comes from.
    """

    sources: tuple[Source | PackageSource, ...]
    size_mb: float | None = None
    name: str | None = None
    sha256: str | None = None

    @property
    def urls(self) -> tuple[Source, ...]:
        """Those of its sources that have an address."""
        return tuple(source for source in self.sources if isinstance(source, Source))

    def name_from(self, source: Source | PackageSource) -> str:
        """What the file is called in a folder of weights, when it is from `source`."""
        return self.name or (source.name if isinstance(source, Source) else "")

    def sha256_from(self, source: Source | PackageSource) -> str | None:
        """What is known of its content, or of its beginning."""
        return self.sha256 or (source.sha256 if isinstance(source, Source) else None)


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
    return Model(
        str(name),
        str(entry.get("choose", "")),
        str(entry.get("licence", "not stated")),
        tuple(_file(name, item) for item in entry["files"]),
    )


def _file(model: str, item: dict[str, Any]) -> File:
    sources = tuple(_source(source) for source in item["sources"])
    file = File(sources, item.get("size_mb"), item.get("name"), item.get("sha256"))
    unsafe = [name for source in sources if not _safe(name := file.name_from(source))]
    if unsafe or not sources:
        raise TableError(f"{model}: {unsafe or 'a file without sources'} names no file")
    if len(file.urls) < len(sources) and not (
        file.name and file.size_mb and re.fullmatch("[0-9a-f]{64}", file.sha256 or "")
    ):
        raise TableError(f"{model}: a file in a package wants name, size_mb and the whole sha256")
    return file


def _source(entry: dict[str, Any]) -> Source | PackageSource:
    if "parts" not in entry:
        return Source(entry["url"], entry.get("sha256"))
    parts = tuple(Part(**{key: str(value) for key, value in one.items()}) for one in entry["parts"])
    if not parts:
        raise TableError("a package source without parts")
    return PackageSource(parts)


def _safe(name: str) -> bool:
    """Whether a name stays below the folder that it is put into."""
    return "\\" not in name and all(part not in ("", ".", "..") for part in name.split("/"))
