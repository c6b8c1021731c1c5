"""The root of a config: every key that is not a stage's own, with its type and default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class Output:
    """What a run leaves behind in `dir`; lengths in seconds."""

    dir: str = "outputs"
    cleaned: bool = True
    report: bool = True
    ab_seconds: float = 8.0
    plots: bool = True
    fingerprints: bool = True
    layout: str = "flat"
    format: str = "wav"


@dataclass
class Weights:
    """Where published weights lie; None: SPEECHCLEAN_WEIGHTS and the usual caches."""

    dir: str | None = None


@dataclass
class Reuse:
    """Whether estimates of networks are kept for later runs.

    enabled: None keeps them in sweeps only
    dir: None is SPEECHCLEAN_CACHE, or the user's cache folder
    max_gb: the least recently used ones go when there are more
    """

    enabled: bool | None = None
    dir: str | None = None
    max_gb: float = 20.0


@dataclass
class Config:
    """The root: one section per stage, and what all of them share."""

    dataset: dict[str, Any] = field(default_factory=dict)
    separators: dict[str, Any] = field(default_factory=dict)
    fusion: dict[str, Any] = field(default_factory=dict)
    enhancement: dict[str, Any] = field(default_factory=dict)
    postprocess: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    screening: dict[str, Any] = field(default_factory=dict)
    verdict: dict[str, Any] = field(default_factory=dict)
    selection: dict[str, Any] = field(default_factory=dict)
    guard: dict[str, Any] = field(default_factory=dict)
    tracking: dict[str, Any] = field(default_factory=dict)
    batch: dict[str, Any] = field(default_factory=dict)
    delivery: dict[str, Any] = field(default_factory=dict)
    output: Output = field(default_factory=Output)
    weights: Weights = field(default_factory=Weights)
    cache: Reuse = field(default_factory=Reuse)
    sweep: Any = None
    name: str = "run"
    shifts: int = 1
    overlap: float = 0.25
    edge_context_s: float = 0.0
    dc_offset_above: float | None = None
    seed: int = 0
    device: str = "auto"
    batch_size: int | None = None
    precision: str = "fp32"
    audio_in_memory_s: float = 120.0
    stream_above_s: float = 300.0
    max_decoded_gb: float | None = None


ConfigStore.instance().store(name="schema", node=Config)


def bare(config: Mapping[str, Any]) -> dict[str, Any]:
    """A run's config without what surrounds its pipeline.

    It has no executor and records nothing; its data are the pilot that ships with the package.
    """
    own = {key: value for key, value in config.items() if key not in ("batch", "delivery")}
    surroundings = {
        "dataset": "speechclean.stages.datasets.manifest.Pilot",
        "tracking": "speechclean.records.tracking.NoTracker",
    }
    return own | {key: {"_target_": target} for key, target in surroundings.items()}
