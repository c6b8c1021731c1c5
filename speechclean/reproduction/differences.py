"""What is other now than when a run was recorded: code, packages, machine, weights; in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.config.schema import bare
from speechclean.experiment.config.validate import validate
from speechclean.records import provenance

from .rerun_config import CannotReproduce


def environment_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Code, packages and machine: what is other now, in words."""
    told = []
    if then["code"]["sha256"] != now["code"]["sha256"]:
        told.append(f"code: {_code(then)} then, {_code(now)} now")
    for name in dict.fromkeys([*then["packages"], *now["packages"]]):
        one, two = then["packages"].get(name), now["packages"].get(name)
        if one != two:
            told.append(f"package {name}: {one or 'none'} then, {two or 'none'} now")
    told += [
        f"{key}: {then[key]} then, {now[key]} now"
        for key in ("python", "platform")
        if then[key] != now[key]
    ]
    for key in ("model", "capability", "threads"):
        if then["cpu"].get(key) != now["cpu"].get(key):
            told.append(f"cpu {key}: {then['cpu'].get(key)} then, {now['cpu'].get(key)} now")
    if then.get("cuda") != now.get("cuda"):
        told.append(f"cuda: {then.get('cuda') or 'none'} then, {now.get('cuda') or 'none'} now")
    return told


def weights_differences(config: DictConfig, then: Mapping[str, Any]) -> list[str]:
    """Weights that are others now. Raises `CannotReproduce` for what is missing."""
    plain: Any = OmegaConf.to_container(config)
    try:
        weights = validate(OmegaConf.create(bare(plain))).weights
    except ConfigError as error:
        raise CannotReproduce(
            f"the run's config does not run here: {error}\n(weights that have moved: weights.root=FOLDER)"
        ) from error
    now = {name: provenance.file_hash(path) for name, path in weights.items()}
    told = []
    for name in dict.fromkeys([*then["weights"], *now]):
        one, two = then["weights"].get(name, {}).get("sha256"), now.get(name)
        if one != two:
            told.append(f"weights {name}: sha256 {str(one)[:12]} then, {str(two)[:12]} now")
    return told


def _code(origin: Mapping[str, Any]) -> str:
    git = origin["code"].get("git") or {}
    if git.get("commit"):
        return git["commit"][:10] + (" with changes" if git.get("dirty") else "")
    return f"sources {origin['code']['sha256'][:10]}"
