"""Find weights: which files a model consists of, where they may lie, what to say when they are missing.

Looked through in this order: the folder named by the environment variable SPEECHCLEAN_WEIGHTS, the Hugging Face cache
(HF_HOME, where demucs itself keeps its models), torch hub's checkpoints (TORCH_HOME). Files that users already have are found.
Nothing is ever downloaded from here.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from .checkpoints import CheckpointError

#: Small models that this project trained; part of the package.
EMBEDDED = Path(__file__).parent / "assets" / "models"


class MissingWeights(RuntimeError):  # noqa: N818 (reads as what it says)
    """Weights that a run needs and that no known folder holds; the message names the files and what to do."""


@dataclass(frozen=True)
class Bag:
    """One or several networks whose estimates are averaged.

    `files` by signature; `weights` is `[models][sources]` or None for equal ones; `segment_s` overrides the networks' own.
    """

    name: str
    files: dict[str, Path]
    weights: list[list[float]] | None
    segment_s: float | None


def demucs_bag(name: str, repo: str | None) -> Bag:
    """The files of a demucs model: published (`repo=None`), `repo="embedded"`, or a folder in demucs' own format.

    Raises `MissingWeights`.
    """
    if repo is not None:
        folder = EMBEDDED if repo == "embedded" else Path(repo).expanduser()
        return _bag(name, _definition(name, folder), [folder], f"the folder {folder}")
    from demucs.pretrained import REMOTE_ROOT

    places = [*folders(), *_hub_snapshots(name)]
    return _bag(name, _definition(name, REMOTE_ROOT), places, "any of the usual places")


def denoiser_file(name: str) -> Path:
    """The checkpoint of a denoiser model: `embedded_denoiser`, `dns48`, `dns64`, `master64`, or a path.

    Raises `MissingWeights`, also when the package that holds the network is not installed.
    """
    if not find_spec("denoiser"):
        raise MissingWeights(
            f"{name}: the package denoiser is not installed. Get it with `pip install --no-deps denoiser==0.1.5` "
            "(without its requirements, which name a Hydra of 2020), or go without: enhancement=identity"
        )
    from denoiser import pretrained

    if name == "embedded_denoiser":
        return EMBEDDED / "embedded_denoiser.th"
    published = {"dns48": pretrained.DNS_48_URL, "dns64": pretrained.DNS_64_URL, "master64": pretrained.MASTER_64_URL}
    if name not in published:
        path = Path(name).expanduser()
        if path.is_file():
            return path
        raise MissingWeights(f"{name}: neither a file nor one of embedded_denoiser, {', '.join(published)}")
    filename = published[name].rsplit("/", 1)[1]
    for folder in folders():
        if (folder / filename).is_file():
            return _verified(folder / filename)
    raise MissingWeights(_how_to_mend(name, [published[name]]))


def folders() -> list[Path]:
    """Where checkpoint files are looked for, best first."""
    home = Path(os.environ.get("TORCH_HOME", Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "torch"))
    places = [os.environ.get("SPEECHCLEAN_WEIGHTS"), home / "hub" / "checkpoints"]
    return [Path(place).expanduser() for place in places if place]


@cache  # a batch of thousands is hashed for provenance and for its signature
def _sha256(path: Path, _stamp: tuple[int, int]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256(path: Path) -> str:
    """The file's sha256 in hex; remembered until its size or time of change differs."""
    stat = path.stat()
    return _sha256(path, (stat.st_size, stat.st_mtime_ns))


def _definition(name: str, folder: Path) -> dict[str, Any]:
    """A bag's yaml `{models, weights, segment}`, or a bag of one when `name` is a network's own signature."""
    path = folder / f"{name}.yaml"
    if not path.is_file():
        return {"models": [name]}
    definition = yaml.safe_load(path.read_text())
    if not isinstance(definition, dict) or not isinstance(definition.get("models"), list):
        raise CheckpointError(f"{path}: not a bag of demucs (a mapping with a list of `models`)")
    return definition


def _bag(name: str, definition: dict[str, Any], places: list[Path], where: str) -> Bag:
    found = {signature: _find(signature, places) for signature in definition["models"]}
    missing = [signature for signature, path in found.items() if path is None]
    if missing:
        urls = [_published_url(signature) for signature in missing]
        if None in urls:
            raise MissingWeights(f"{name}: {', '.join(f'{signature}.th' for signature in missing)} not in {where}")
        raise MissingWeights(_how_to_mend(name, [url for url in urls if url]))
    files = {signature: _verified(path) for signature, path in found.items() if path}
    return Bag(name, files, definition.get("weights"), definition.get("segment"))


def _find(signature: str, places: list[Path]) -> Path | None:
    for folder in places:
        for pattern in (f"{signature}.th", f"{signature}-*.th", f"{signature}.safetensors"):
            for path in sorted(folder.glob(pattern)):
                return path
    return None


def _verified(path: Path) -> Path:
    """demucs and torch hub put the beginning of the sha256 into the file's name: hold the content against it."""
    _, dash, prefix = path.stem.rpartition("-")
    if dash and path.suffix == ".th" and not sha256(path).startswith(prefix):
        raise CheckpointError(f"{path}: damaged, its sha256 does not begin with {prefix}; delete it and get it again")
    return path


def _published_url(signature: str) -> str | None:
    from demucs.pretrained import REMOTE_ROOT, _parse_remote_files

    return _parse_remote_files(REMOTE_ROOT / "files.txt").get(signature)


def _hub_snapshots(name: str) -> list[Path]:
    """Folders of the Hugging Face cache that may hold this model."""
    from demucs.hf import DEFAULT_NAMESPACE, hf_repo_name

    home = Path(os.environ.get("HF_HOME", Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface")).expanduser()
    return sorted((home / "hub" / f"models--{DEFAULT_NAMESPACE}--{hf_repo_name(name)}" / "snapshots").glob("*"))


def _how_to_mend(name: str, urls: list[str]) -> str:
    files = "\n".join(f"    {url}" for url in urls)
    return (
        f"{name}: {len(urls)} published weights file{'s are' if len(urls) > 1 else ' is'} missing. Get\n{files}\n"
        f"  and put {'them' if len(urls) > 1 else 'it'} into a folder named by SPEECHCLEAN_WEIGHTS (looked in: "
        f"{', '.join(str(folder) for folder in folders())}, and the Hugging Face cache)"
    )
