"""What is other now than when a run was recorded: code, packages, machine, weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.config.schema import Config, bare
from speechclean.experiment.config.validate import validate
from speechclean.records import provenance

from .rerun_config import ReproductionError


def environment_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Code, packages and machine: what is other now, a line each.

    then, now: contents of provenance.json.
    """
    lines = []
    if then["code"]["sha256"] != now["code"]["sha256"]:
        lines.append(f"code: {_code(then)} then, {_code(now)} now")
    for name in dict.fromkeys([*then["packages"], *now["packages"]]):
        one, two = then["packages"].get(name), now["packages"].get(name)
        if one != two:
            lines.append(f"package {name}: {one or 'none'} then, {two or 'none'} now")
    lines += [
        f"{key}: {then[key]} then, {now[key]} now"
        for key in ("python", "platform")
        if then[key] != now[key]
    ]
    for key in ("model", "capability", "threads"):
        if then["cpu"].get(key) != now["cpu"].get(key):
            lines.append(f"cpu {key}: {then['cpu'].get(key)} then, {now['cpu'].get(key)} now")
    if then.get("cuda") != now.get("cuda"):
        lines.append(f"cuda: {then.get('cuda') or 'none'} then, {now.get('cuda') or 'none'} now")
    return lines


def weights_differences(config: DictConfig, then: Mapping[str, Any]) -> list[str]:
    """Weights that are others now, a line each. Raises `ReproductionError` for missing ones."""
    plain: Any = OmegaConf.to_container(config)
    try:
        # Runs of earlier code lack keys that there have been only since.
        whole: Any = OmegaConf.merge(OmegaConf.structured(Config), bare(plain))
        weights = validate(whole).weights
    except ConfigError as error:
        raise ReproductionError(
            f"the run's config does not run here: {error}\n"
            "(weights that have moved: weights.root=FOLDER)"
        ) from error
    now = {name: provenance.file_hash(path) for name, path in weights.items()}
    lines = []
    for name in dict.fromkeys([*then["weights"], *now]):
        one, two = then["weights"].get(name, {}).get("sha256"), now.get(name)
        if one != two:
            lines.append(f"weights {name}: sha256 {str(one)[:12]} then, {str(two)[:12]} now")
    return lines


def _code(origin: Mapping[str, Any]) -> str:
    git = origin["code"].get("git") or {}
    if git.get("commit"):
        return git["commit"][:10] + (" with changes" if git.get("dirty") else "")
    return f"sources {origin['code']['sha256'][:10]}"
