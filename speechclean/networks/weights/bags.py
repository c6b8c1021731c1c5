"""Bags of demucs.

They say which networks a model's name stands for, where their files lie, how they are averaged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from speechclean.networks.checkpoints import CheckpointError
from speechclean.system.paths import expanded

from . import search_path
from .missing import MissingWeights, missing
from .published import EMBEDDED, published_file


@dataclass(frozen=True)
class Bag:
    """One or several networks whose estimates are averaged.

    `files` by signature; `weights` is `[models][sources]` or None for equal ones; `segment_s`
    overrides the networks' own. `definition` is the yaml that says so, where it is the user's.
    """

    name: str
    files: dict[str, Path]
    weights: list[list[float]] | None
    segment_s: float | None
    definition: Path | None = None


def demucs_bag(name: str, repo: str | None, first: Path | None = None) -> Bag:
    """The files of a demucs model.

    It is published (`repo=None`), ships with the package (`repo="embedded"`), or lies in a folder
    in demucs' own format. `first` is looked through before the usual folders. Raises
    `MissingWeights`, `CheckpointError`.
    """
    if repo is not None:
        folder = EMBEDDED if repo == "embedded" else expanded(repo)
        bag, definition = (
            _bag(name, _definition(name, folder), [folder], f"the folder {folder}"),
            folder / f"{name}.yaml",
        )
        return (
            replace(bag, definition=definition)
            if repo != "embedded" and definition.is_file()
            else bag
        )
    from demucs.pretrained import REMOTE_ROOT

    if name == "hdemucs_high":  # torchaudio's bundle: one file, no bag
        return Bag(name, {name: published_file(name, first)}, None, None)
    folders = [*search_path.folders(first), *_hub_snapshots(name)]
    return _bag(name, _definition(name, REMOTE_ROOT), folders, "any of the usual places", first)


def _definition(name: str, folder: Path) -> dict[str, Any]:
    """A bag's yaml `{models, weights, segment}`.

    Where there is none, `name` is a network's own signature: a bag of one.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        return {"models": [name]}
    try:
        definition = yaml.safe_load(path.read_text())
    # A yaml that names something to be called ends here, too.
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{path}: refused, not plain yaml ({' '.join(str(error).split())})"
        ) from error
    if not isinstance(definition, dict) or not isinstance(definition.get("models"), list):
        raise CheckpointError(f"{path}: not a bag of demucs (a mapping with a list of `models`)")
    return definition


def _bag(
    name: str,
    definition: dict[str, Any],
    folders: list[Path],
    where: str,
    first: Path | None = None,
) -> Bag:
    signatures, weights = [str(one) for one in definition["models"]], definition.get("weights")
    if weights and len(weights) != len(signatures):
        raise CheckpointError(
            f"{name}: its bag has {len(signatures)} networks and weights for {len(weights)}"
        )
    counts = {signature: signatures.count(signature) for signature in signatures}
    if len(set(counts.values())) > 1 or (weights and len(counts) < len(signatures)):
        # In some published bags each network stands twice, which changes no mean; anything else
        # would be lost.
        raise CheckpointError(
            f"{name}: its bag names a network again; write its weight into `weights` instead"
        )
    found = {signature: _find(signature, folders) for signature in counts}
    absent = [signature for signature, path in found.items() if path is None]
    if absent:
        urls = [_published_url(signature) for signature in absent]
        if None in urls:
            raise MissingWeights(
                f"{name}: {', '.join(f'{signature}.th' for signature in absent)} not in {where}"
            )
        raise missing(name, [url for url in urls if url], first)
    files = {signature: _verified(path) for signature, path in found.items() if path}
    return Bag(name, files, definition.get("weights"), definition.get("segment"))


def _find(signature: str, folders: list[Path]) -> Path | None:
    if not re.fullmatch(r"\w+", signature):  # it becomes part of a path and of a pattern
        raise CheckpointError(
            f"a bag names the network {signature!r}: letters, digits and _ only, a file beside it"
        )
    for folder in folders:
        for pattern in (f"{signature}.th", f"{signature}-*.th", f"{signature}.safetensors"):
            for path in sorted(folder.glob(pattern)):
                return path
    return None


def _verified(path: Path) -> Path:
    """The path, its content checked against its sha256 where that is known.

    Demucs and torch hub put the beginning of the sha256 into the file's name; for other files it
    was noted when they were fetched. Raises `CheckpointError`.
    """
    _, dash, prefix = path.stem.rpartition("-")
    known = (
        prefix if dash and path.suffix == ".th" else search_path.noted(path.parent).get(path.name)
    )
    if known and not search_path.sha256(path).startswith(known):
        raise CheckpointError(
            f"{path}: damaged, its sha256 does not begin with {known[:16]}; "
            "delete it and get it again"
        )
    return path


def _published_url(signature: str) -> str | None:
    from demucs.pretrained import REMOTE_ROOT, _parse_remote_files

    return _parse_remote_files(REMOTE_ROOT / "files.txt").get(signature)


def _hub_snapshots(name: str) -> list[Path]:
    """Folders of the Hugging Face cache that may hold this model."""
    from demucs.hf import DEFAULT_NAMESPACE, hf_repo_name

    return sorted(
        (
            search_path.hub_home()
            / f"models--{DEFAULT_NAMESPACE}--{hf_repo_name(name)}"
            / "snapshots"
        ).glob("*")
    )
