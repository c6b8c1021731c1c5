"""The objects of a config as one `Experiment`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from speechclean.networks.cache import Cache, NoCache
from speechclean.networks.cache.metric_values import remembering
from speechclean.stages.pipeline import Pipeline
from speechclean.stages.types import Track
from speechclean.system.device import torch_device

from . import judging
from .choices import LIST_GROUPS


@dataclass(frozen=True)
class Experiment:
    """A config turned into objects.

    tracks: the inputs, found but not decoded
    metrics: by name, in the order of the config
    weights: the files of all networks by their names in the config; none is loaded
    selection, batch, delivery: None where the config names none
    weights_dir: the folder that is looked through for weights first; None for none
    """

    tracks: list[Track]
    pipeline: Pipeline
    metrics: Mapping[str, Any]
    screening: Any
    verdict: Any
    selection: Any
    guard: Any
    tracking: Any
    weights: Mapping[str, Path]
    batch: Any = None
    delivery: Any = None
    weights_dir: str | None = None


def assemble(
    cfg: DictConfig,
    components: Mapping[str, Any],
    tracks: list[Track],
    weights: Mapping[str, Path],
    cache: Cache,
) -> Experiment:
    """An experiment of components that were found to be right. Loads nothing, writes nothing."""
    listed = {
        group: {str(name): components[f"{group}.{name}"] for name in cfg[group]}
        for group in LIST_GROUPS
    }
    selection = components.get("selection")
    pipeline = Pipeline(
        separators=listed["separators"],
        fusion=components["fusion"],
        enhancement=components["enhancement"],
        postprocess=listed["postprocess"],
        device=torch_device(cfg.device),
        cache=cache,
        dc_offset_above=cfg.get("dc_offset_above"),
        alternatives=selection.fusions() if selection else {},
    )
    metrics = listed["metrics"]
    return Experiment(
        tracks=tracks,
        pipeline=pipeline,
        metrics=metrics if isinstance(cache, NoCache) else remembering(metrics, cache),
        screening=components["screening"],
        verdict=judging.fitting(components["verdict"], listed["postprocess"].values()),
        selection=selection,
        guard=components["guard"],
        tracking=components["tracking"],
        weights=weights,
        batch=components.get("batch"),
        delivery=components.get("delivery"),
        weights_dir=cfg.weights.dir,
    )
