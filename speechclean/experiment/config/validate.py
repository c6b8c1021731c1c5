"""Everything that is wrong with a config, said at once; nothing is written.

No folder, file, lock or database is made, and no network is loaded: files are looked at, and a
server is asked once whether it is there. What comes of it is made by `prepare`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from speechclean.networks.cache import Cache, DiskCache, NoCache, default_dir
from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import MissingWeights, preferring
from speechclean.records.class_names import current
from speechclean.records.results.verdict import Thresholds
from speechclean.records.run_folder import FORMATS, LAYOUTS
from speechclean.records.tracking import TrackingError
from speechclean.stages.datasets import DatasetError
from speechclean.stages.types import Track
from speechclean.system.extras import MissingPackage
from speechclean.system.paths import expanded
from speechclean.system.writable import why_not_writable

from . import judging
from .assemble import Experiment, assemble
from .errors import ConfigError, cannot_be_written
from .instantiate import instantiate_components
from .old_names import todays
from .packages import absent_of, missing_packages


def validate(cfg: DictConfig, sweeping: bool = False) -> Experiment:
    """The objects of a config. Raises `ConfigError` with every problem at once.

    `sweeping`: other runs with other values come before and after this one, so that its estimates
    are worth keeping.
    """
    cfg = todays(cfg)
    with preferring(cfg.weights.dir):
        return _validated(cfg, sweeping)


def _validated(cfg: DictConfig, sweeping: bool) -> Experiment:
    problems, components = instantiate_components(cfg)
    problems += missing_packages(cfg, components) + _root_problems(cfg)
    outside = _look_outside(components)
    problems += outside.problems
    if isinstance(components.get("verdict"), Thresholds):
        problems += _deaf(cfg, components, outside.tracks)
    problems += _folder_problems(Path(cfg.output.dir), "hydra.run.dir")
    cache, wrong = _cache(cfg, sweeping)
    problems += wrong
    if problems:
        # A wrong device, say, is a problem of every stage, and is said once.
        raise ConfigError(list(dict.fromkeys(problems)))
    return assemble(cfg, components, outside.tracks, outside.weights, cache)


def _output_problems(output: DictConfig) -> list[str]:
    return [
        f"output.{key}={value!r} must be one of {', '.join(choices)}"
        for key, choices in (("layout", LAYOUTS), ("format", FORMATS))
        if (value := output.get(key, choices[0])) not in choices
    ]


def _root_problems(cfg: DictConfig) -> list[str]:
    """Values of the root that cannot be used, or not with one another."""
    problems = []
    # Files that another tool has cleaned are only judged.
    cleaned_already = current(str(cfg.dataset.get("_target_"))).endswith(".Cleaned")
    if not cfg.separators and not cleaned_already:
        problems.append(
            "separators=[] leaves nothing to separate with; "
            "name one, e.g. separators=[embedded_htdemucs]"
        )
    if cfg.audio_in_memory_s <= 0:
        problems.append(f"audio_in_memory_s={cfg.audio_in_memory_s} must be above 0")
    if cfg.stream_above_s < 1:
        problems.append(f"stream_above_s={cfg.stream_above_s} must be at least 1")
    # A recorded config may be older than these keys.
    if (most := cfg.get("max_decoded_gb")) is not None and not most > 0:
        problems.append(f"max_decoded_gb={most} must be above 0, or null for any")
    if (above := cfg.get("dc_offset_above")) is not None and not above >= 0:
        problems.append(f"dc_offset_above={above} must be 0 or more, or null")
    if cfg.output.ab_seconds < 0:
        problems.append(f"output.ab_seconds={cfg.output.ab_seconds} must be 0 or more")
    # A recorded config may be older than this key.
    problems += _output_problems(cfg.output)
    if cfg.get("delivery") and not cfg.get("batch"):
        problems.append("delivery: packs what a batch made; add batch=local")
    if cleaned_already and cfg.get("batch"):
        problems.append("batch: cleans files, and dataset=cleaned only judges them; use batch=none")
    return problems


@dataclass
class _Outside:
    """What was found outside the config, and what was not."""

    tracks: list[Track] = field(default_factory=list)
    weights: dict[str, Path] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def _look_outside(components: Mapping[str, Any]) -> _Outside:
    """Look for weights and inputs, and whether the tracking store and the executor can be used."""
    outside = _Outside()
    for key, component in components.items():
        if absent_of(component):
            continue
        try:
            if hasattr(component, "weight_files"):
                outside.weights |= component.weight_files()
            if key == "dataset":
                outside.tracks = component.tracks()
            if key in ("tracking", "batch"):
                component.check()
        except (
            MissingWeights,
            CheckpointError,
            DatasetError,
            TrackingError,
            MissingPackage,
            ConnectionError,
        ) as error:
            outside.problems.append(str(error))
    return outside


def _deaf(cfg: DictConfig, components: Mapping[str, Any], tracks: Sequence[Track]) -> list[str]:
    """What is wrong with what verdict, selection and guard would listen to."""
    thresholds = components["verdict"]
    unknown = judging.unknown_metrics(thresholds, cfg.metrics)
    metrics = {str(name): components.get(f"metrics.{name}") for name in cfg.metrics}
    return unknown or [
        *judging.blind_guard(components.get("guard"), thresholds, metrics, tracks),
        *judging.blind_selection(components.get("selection"), cfg.separators, metrics, tracks),
    ]


def _cache(cfg: DictConfig, sweeping: bool) -> tuple[Cache, list[str]]:
    """The cache of estimates that a config asks for, and what is wrong with it."""
    if cfg.cache.max_gb <= 0:
        too_small = f"cache.max_gb={cfg.cache.max_gb} must be above 0"
        return NoCache(), [f"{too_small}; cache.enabled=false keeps nothing"]
    if not (cfg.cache.enabled or (cfg.cache.enabled is None and sweeping)):
        return NoCache(), []
    folder = expanded(cfg.cache.dir) if cfg.cache.dir else default_dir()
    cache = DiskCache(folder.absolute(), int(cfg.cache.max_gb * 1e9))
    return cache, _folder_problems(folder, "cache.dir")


def _folder_problems(folder: Path, key: str) -> list[str]:
    reason = why_not_writable(folder)
    return [cannot_be_written(key, folder, reason)] if reason else []
