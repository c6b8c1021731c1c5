"""The folders that are looked through for weights, and whether a file is what it should be.

Looked through in this order: the config's `weights.dir`, the folder named by the environment
variable SPEECHCLEAN_WEIGHTS, torch hub's checkpoints (TORCH_HOME) and torchaudio's beside them,
Whisper's cache, `~/panns_data`, the Hugging Face cache (HF_HUB_CACHE, HF_HOME: where demucs itself
keeps its models). Files that users already have are found. Nothing is downloaded from here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from speechclean.networks.checkpoints import CheckpointError
from speechclean.system.atomic_files import written_whole
from speechclean.system.paths import expanded

from .registry import File, PackageSource

#: Sums of the files that were fetched into a folder, as `sha256sum -c` reads them.
SUMS = "SHA256SUMS"
#: The folder that a config's `weights.dir` names.
_preferred: ContextVar[tuple[Path, ...]] = ContextVar("preferred", default=())


def prefer(folder: str | Path | None) -> None:
    """Look into this folder first from now on; None for none.

    For a command that has one folder.
    """
    _preferred.set((expanded(folder),) if folder else ())


@contextmanager
def preferring(folder: str | Path | None) -> Iterator[None]:
    """Within it the calling thread looks into this folder first; None for none."""
    before = _preferred.set((expanded(folder),) if folder else ())
    try:
        yield
    finally:
        _preferred.reset(before)


def folders(first: Path | None = None) -> list[Path]:
    """The folders that are looked through for checkpoints, in order.

    `first`, if given, comes before all others. What is fetched goes into the first one.
    """
    cache = _cache_home()
    torch_home = expanded(os.environ.get("TORCH_HOME", cache / "torch"))
    own = os.environ.get("SPEECHCLEAN_WEIGHTS")
    return [
        *([expanded(first)] if first else []),
        *_preferred.get(),
        *([expanded(own)] if own else []),
        torch_home / "hub" / "checkpoints",
        torch_home / "hub" / "torchaudio" / "models",
        cache / "whisper",
        expanded("~/panns_data"),
    ]


def locate(file: File, first: Path | None = None) -> Path | None:
    """Where a file of the table lies, under the name of any of its sources; None if nowhere.

    `first` is looked through before the usual folders. In the Hugging Face cache a pinned file of
    another content is another version of it, and is passed over.
    """
    for source in file.sources:
        for folder in folders(first):
            if (path := folder / file.name_from(source)).is_file():
                return path
        if isinstance(source, PackageSource):
            continue
        for folder in _hub_folders(source.url):
            path = folder / source.name
            if path.is_file() and (not file.sha256 or sha256(path) == file.sha256):
                return path
    return None


def verified(path: Path, file: File) -> Path:
    """The path, its content held against what is known of it. Raises `CheckpointError`."""
    if (known := known_sha256(path, file)) and not sha256(path).startswith(known):
        raise CheckpointError(
            f"{path}: damaged, its sha256 does not begin with {known[:16]}; "
            "delete it and get it again (speechclean weights fetch)"
        )
    return path


def known_sha256(path: Path, file: File) -> str | None:
    """The sha256 that is pinned, that the publisher states, or that was noted when it was fetched.

    The last stands beside the file. None if none is known.
    """
    stated = next(
        (source.sha256 for source in file.urls if source.name == path.name and source.sha256),
        None,
    )
    return file.sha256 or stated or noted(path.parent).get(path.name)


def noted(folder: Path) -> dict[str, str]:
    """The sums that stand in a folder, by file."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {
        name: value
        for value, separator, name in (line.partition("  ") for line in lines)
        if separator
    }


def note(path: Path, sha256: str) -> None:
    """Add a file to the sums of its folder, in which other processes may be doing the same."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        sums = noted(path.parent) | {path.name: sha256}
        text = "".join(f"{value}  {name}\n" for name, value in sorted(sums.items()))
        with written_whole(path.parent / SUMS) as temporary:
            temporary.write_text(text, encoding="utf-8")
    finally:
        os.close(folder)


def _cache_home() -> Path:
    return expanded(os.environ.get("XDG_CACHE_HOME", "~/.cache"))


def hub_home() -> Path:
    """The Hugging Face cache."""
    own = os.environ.get("HF_HUB_CACHE")
    home = Path(os.environ.get("HF_HOME", _cache_home() / "huggingface"))
    return expanded(Path(own) if own else home / "hub")


def _hub_folders(url: str) -> list[Path]:
    """Folders of the Hugging Face cache that hold the repository of a hub's address."""
    parts = url.partition("://")[2].split("/")
    if len(parts) < 4 or parts[3] != "resolve":
        return []
    return sorted((hub_home() / f"models--{parts[1]}--{parts[2]}" / "snapshots").glob("*"))


@cache  # a batch of thousands is hashed for provenance and for its signature
def _sha256(path: Path, _stamp: tuple[int, int]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256(path: Path) -> str:
    """The file's sha256 in hex; remembered until its size or time of change differs."""
    stat = path.stat()
    return _sha256(path, (stat.st_size, stat.st_mtime_ns))
