"""Find weights: which files a model consists of, where they may lie, what to say when they are missing.

Looked through in this order: the config's `weights.dir`, the folder named by the environment variable SPEECHCLEAN_WEIGHTS,
torch hub's checkpoints (TORCH_HOME) and torchaudio's beside them, Whisper's cache, `~/panns_data`, the Hugging Face cache
(HF_HUB_CACHE, HF_HOME: where demucs itself keeps its models). Files that users already have are found. Nothing is downloaded
from here.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from ..checkpoints import CheckpointError
from . import table

#: Small models that this project trained; part of the package.
EMBEDDED = Path(__file__).parent.parent / "assets" / "models"
#: Published networks of the denoiser family.
DENOISERS = ("dns48", "dns64", "master64")


class MissingWeights(RuntimeError):  # noqa: N818 (reads as what it says)
    """Weights that a run needs and that no known folder holds; the message names the files and what to do.

    `models`: the names, in the table of published weights, of what would mend it.
    """

    def __init__(self, message: str, models: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.models = models


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

    if name == "hdemucs_high":  # torchaudio's bundle: one file, no bag
        return Bag(name, {name: published_file(name)}, None, None)
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
    if name == "embedded_denoiser":
        return EMBEDDED / "embedded_denoiser.th"
    if name in DENOISERS:
        return published_file(name)
    path = Path(name).expanduser()
    if path.is_file():
        return path
    raise MissingWeights(f"{name}: neither a file nor one of embedded_denoiser, {', '.join(DENOISERS)}")


#: The folder that a config's `weights.dir` names.
_preferred: list[Path] = []


def prefer(folder: str | Path | None) -> None:
    """Look into this folder first, from now on; None for none."""
    _preferred[:] = [Path(folder).expanduser()] if folder else []


def folders() -> list[Path]:
    """Where checkpoint files are looked for, best first; what is fetched goes into the first."""
    cache = _cache_home()
    torch_home = Path(os.environ.get("TORCH_HOME", cache / "torch")).expanduser()
    own = os.environ.get("SPEECHCLEAN_WEIGHTS")
    return [
        *_preferred,
        *([Path(own).expanduser()] if own else []),
        torch_home / "hub" / "checkpoints",
        torch_home / "hub" / "torchaudio" / "models",
        cache / "whisper",
        Path("~/panns_data").expanduser(),
    ]


def published_file(name: str) -> Path:
    """The one file of a published model of the table. Raises `MissingWeights`, `CheckpointError` if it is damaged."""
    model = table.models()[name]
    for file in model.files:
        if path := locate(file):
            return verified(path, file)
    raise _missing(name, [file.sources[-1].url for file in model.files])


def published_files(name: str) -> list[Path]:
    """All files of a published model, in the table's order. Raises `MissingWeights`, `CheckpointError` if one is damaged."""
    model = table.models()[name]
    found = [(file, locate(file)) for file in model.files]
    if missing := [file.sources[-1].url for file, path in found if path is None]:
        raise _missing(name, missing)
    return [verified(path, file) for file, path in found if path]


def locate(file: table.File) -> Path | None:
    """Where a file of the table lies, under the name of any of its sources; None if nowhere."""
    for source in file.sources:
        for folder in [*folders(), *_hub_folders(source.url)]:
            if (folder / source.name).is_file():
                return folder / source.name
    return None


def verified(path: Path, file: table.File) -> Path:
    """The path, its content held against what the table knows. Raises `CheckpointError`."""
    for source in file.sources:
        if source.name == path.name and source.sha256 and not sha256(path).startswith(source.sha256):
            raise CheckpointError(
                f"{path}: damaged, its sha256 does not begin with {source.sha256}; delete it and get it again "
                "(python -m speechclean.weights fetch)"
            )
    return path


def _cache_home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()


def hub_home() -> Path:
    """The Hugging Face cache."""
    own = os.environ.get("HF_HUB_CACHE")
    home = Path(os.environ.get("HF_HOME", _cache_home() / "huggingface"))
    return (Path(own) if own else home / "hub").expanduser()


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


def _definition(name: str, folder: Path) -> dict[str, Any]:
    """A bag's yaml `{models, weights, segment}`, or a bag of one when `name` is a network's own signature."""
    path = folder / f"{name}.yaml"
    if not path.is_file():
        return {"models": [name]}
    try:
        definition = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:  # also one that names something to be called
        raise CheckpointError(f"{path}: refused, not plain yaml ({' '.join(str(error).split())})") from error
    if not isinstance(definition, dict) or not isinstance(definition.get("models"), list):
        raise CheckpointError(f"{path}: not a bag of demucs (a mapping with a list of `models`)")
    return definition


def _bag(name: str, definition: dict[str, Any], places: list[Path], where: str) -> Bag:
    signatures, weights = [str(one) for one in definition["models"]], definition.get("weights")
    if weights and len(weights) != len(signatures):
        raise CheckpointError(f"{name}: its bag has {len(signatures)} networks and weights for {len(weights)}")
    counts = {signature: signatures.count(signature) for signature in signatures}
    if len(set(counts.values())) > 1 or (weights and len(counts) < len(signatures)):
        # In some published bags each network stands twice, which changes no mean; anything else would be lost.
        raise CheckpointError(f"{name}: its bag names a network again; write its weight into `weights` instead")
    found = {signature: _find(signature, places) for signature in counts}
    missing = [signature for signature, path in found.items() if path is None]
    if missing:
        urls = [_published_url(signature) for signature in missing]
        if None in urls:
            raise MissingWeights(f"{name}: {', '.join(f'{signature}.th' for signature in missing)} not in {where}")
        raise _missing(name, [url for url in urls if url])
    files = {signature: _verified(path) for signature, path in found.items() if path}
    return Bag(name, files, definition.get("weights"), definition.get("segment"))


def _find(signature: str, places: list[Path]) -> Path | None:
    if not re.fullmatch(r"\w+", signature):  # it becomes part of a path and of a pattern
        raise CheckpointError(f"a bag names the network {signature!r}: letters, digits and _ only, a file beside it")
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

    return sorted((hub_home() / f"models--{DEFAULT_NAMESPACE}--{hf_repo_name(name)}" / "snapshots").glob("*"))


def _missing(name: str, urls: list[str]) -> MissingWeights:
    """What to say when published files are missing: the command that mends it and its size, or where to put them."""
    model = table.models().get(name)
    files = "\n".join(f"    {url}" for url in urls)
    several = len(urls) > 1
    text = f"{name}: {len(urls)} published weights file{'s are' if several else ' is'} missing. "
    if model:
        per_file = {source.url: file.size_mb for file in model.files for source in file.sources}
        sizes = [per_file.get(url) for url in urls]
        about = f"about {sum(size for size in sizes if size):.0f} MB" if all(sizes) else "of a size not known before asking"
        text += f"Get {'them' if several else 'it'}, {about}, with\n    python -m speechclean.weights fetch {name}\n"
        text += f"  or from\n{files}\n"
    else:
        text += f"Get\n{files}\n"
    text += (
        f"  into a folder named by weights.dir or SPEECHCLEAN_WEIGHTS (looked in: "
        f"{', '.join(str(folder) for folder in folders())}, and the Hugging Face cache)"
    )
    return MissingWeights(text, (name,) if model else ())
