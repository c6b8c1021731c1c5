"""Files of published models by their names in the table.

Denoisers may also be a user's own files.
"""

from __future__ import annotations

from pathlib import Path

from speechclean.system.paths import expanded
from speechclean.system.resources import asset

from . import registry
from .missing import MissingWeights, missing
from .search_path import locate, verified

#: Small models that this project trained; part of the package.
EMBEDDED = asset("models")
#: Published networks of the denoiser family.
DENOISERS = ("dns48", "dns64", "master64")


def published_file(name: str, first: Path | None = None) -> Path:
    """The one file of a published model of the table.

    `first` is looked through before the usual folders. Raises `MissingWeights`, and
    `CheckpointError` if the file is damaged.
    """
    (path,) = published_files(name, first)
    return path


def published_files(name: str, first: Path | None = None) -> list[Path]:
    """All files of a published model, in the table's order.

    `first` is looked through before the usual folders. Raises `MissingWeights`, and
    `CheckpointError` if a file is damaged.
    """
    model = registry.models()[name]
    found = [(file, locate(file, first)) for file in model.files]
    if absent := [file for file, path in found if path is None]:
        addresses = [
            f"{(file.urls or file.sources)[-1]}{f'  as {file.name}' if file.name else ''}"
            for file in absent
        ]
        raise missing(name, addresses, first, [file.size_mb for file in absent])
    return [verified(path, file) for file, path in found if path]


def denoiser_file(name: str, first: Path | None = None) -> Path:
    """The checkpoint of a denoiser model.

    `name` is `embedded_denoiser`, `dns48`, `dns64`, `master64`, or a path; `first` is looked
    through before the usual folders. Raises `MissingWeights`.
    """
    if name == "embedded_denoiser":
        return EMBEDDED / "embedded_denoiser.th"
    if name in DENOISERS:
        return published_file(name, first)
    path = expanded(name)
    if path.is_file():
        return path
    raise MissingWeights(
        f"{name}: neither a file nor one of embedded_denoiser, {', '.join(DENOISERS)}"
    )
