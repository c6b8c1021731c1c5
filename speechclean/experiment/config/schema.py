"""The root schema of a run's config, and how it becomes objects: all that is wrong is said at once,
before any work.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from speechclean.networks.cache import Cache, DiskCache, NoCache, default_dir
from speechclean.networks.cache.metric_values import remembering
from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import MissingWeights, prefer
from speechclean.records.class_names import with_first
from speechclean.records.results.verdict import Thresholds
from speechclean.records.run_folder import LAYOUTS
from speechclean.records.tracking import TrackingError
from speechclean.stages.datasets import DatasetError, aliases
from speechclean.stages.pipeline import Pipeline
from speechclean.stages.types import Track
from speechclean.system.device import torch_device
from speechclean.system.resources import PACKAGE

from .instantiate import MANY, MAYBE, objects


class ConfigError(ValueError):
    """A config that cannot run; `problems` holds everything that is wrong with it, in the user's
    words.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        count = f"{len(problems)} problems" if len(problems) > 1 else "1 problem"
        super().__init__(
            f"{count} in the config, nothing was started:\n"
            + "\n".join(f"- {problem}" for problem in problems)
        )


@dataclass
class Output:
    """What a run leaves behind in `dir`; lengths in seconds."""

    dir: str = "outputs"
    cleaned: bool = True
    report: bool = True
    ab_seconds: float = 8.0
    plots: bool = True
    marks: bool = True
    layout: str = "flat"


@dataclass
class Weights:
    """Where published weights lie; None: SPEECHCLEAN_WEIGHTS and the usual caches."""

    dir: str | None = None


@dataclass
class Reuse:
    """Whether estimates of networks are kept for later runs (None: in sweeps), where, and how many
    GB of them.
    """

    enabled: bool | None = None
    dir: str | None = None
    max_gb: float = 20.0


@dataclass
class Config:
    """The root: one node per stage and what all of them share."""

    dataset: dict[str, Any] = field(default_factory=dict)
    separators: dict[str, Any] = field(default_factory=dict)
    fusion: dict[str, Any] = field(default_factory=dict)
    enhancement: dict[str, Any] = field(default_factory=dict)
    postprocess: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    screening: dict[str, Any] = field(default_factory=dict)
    verdict: dict[str, Any] = field(default_factory=dict)
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
    seed: int = 0
    device: str = "auto"
    batch_size: int | None = None
    precision: str = "fp32"
    batch_seconds: float = 120.0
    stream_above_s: float = 300.0


#: Nodes that are no part of the pipeline, as fields of `Experiment`.
LATE = ("screening", "verdict", "guard", "tracking")


ConfigStore.instance().store(name="schema", node=Config)


def batch_name(dataset: Mapping[str, Any], number: int | None = None) -> str:
    """What a batch's folder is called: readable, and the same for the same choice of data; for one
    of a sweep that is no shard, with its number.

    >>> batch_name({"_target_": "speechclean.stages.datasets.folder.Folder", "pattern": "my/tts/*.wav", "shard": None})
    'my_tts_.wav-59fdbb27'
    """
    node = OmegaConf.create(dict(dataset)) if not isinstance(dataset, DictConfig) else dataset
    # what is missing is told later
    known = (key for key in node if not OmegaConf.is_missing(node, key))
    own = {str(key): node[key] for key in known if node[key] is not None}
    shard = own.pop("shard", None)
    written = json.dumps(with_first(own), sort_keys=True, default=str)
    shown = aliases.safe(
        str(own.get("pattern") or own.get("path") or own.get("_target_")).replace("*", "")
    )[-40:].strip("._-")
    name = f"{shown}-{hashlib.sha256(written.encode()).hexdigest()[:8]}"
    if shard is not None:
        return f"{name}-shard-{str(shard).replace('/', '-of-')}"
    return name if number is None else f"{name}-{number}"


OmegaConf.register_resolver("batch_name", batch_name, replace=True)


@dataclass(frozen=True)
class Experiment:
    """A config turned into objects, ready to run."""

    tracks: list[Track]
    pipeline: Pipeline
    metrics: Mapping[str, Any]
    screening: Any
    verdict: Any
    guard: Any
    tracking: Any
    weights: Mapping[str, Path]
    batch: Any = None
    delivery: Any = None


def build(cfg: DictConfig, sweeping: bool = False) -> Experiment:
    """Objects from a config. Raises `ConfigError` with every problem at once; loads no weights and
    decodes no audio.

    `sweeping`: other runs with other knobs come before and after this one, so that its estimates
    are worth keeping.
    """
    problems, stages = objects(cfg)
    prefer(cfg.weights.dir)
    # already cleaned: nothing is separated
    finished = str(cfg.dataset.get("_target_")).endswith(".Finished")
    if not cfg.separators and not finished:
        problems.append(
            "separators=[] leaves nothing to separate with; name one, e.g. separators=[embedded_htdemucs]"
        )
    if cfg.batch_seconds <= 0:
        problems.append(f"batch_seconds={cfg.batch_seconds} must be above 0")
    if cfg.stream_above_s < 1:
        problems.append(f"stream_above_s={cfg.stream_above_s} must be at least 1")
    if cfg.output.ab_seconds < 0:
        problems.append(f"output.ab_seconds={cfg.output.ab_seconds} must be 0 or more")
    # a recorded config may be older than this key
    if (layout := cfg.output.get("layout", LAYOUTS[0])) not in LAYOUTS:
        problems.append(f"output.layout={layout!r} must be one of {', '.join(LAYOUTS)}")
    if cfg.get("delivery") and not cfg.get("batch"):
        problems.append("delivery: packs what a batch made; add batch=local")
    if finished and cfg.get("batch"):
        problems.append(
            "batch: cleans files, and dataset=finished only judges them; use batch=none"
        )
    tracks: list[Track] = []
    weights: dict[str, Path] = {}
    # What lies outside the config: weights, inputs, the tracking store, the output folder.
    for key, stage in stages.items():
        try:
            if hasattr(stage, "weight_files"):
                weights |= stage.weight_files()
            if key == "dataset":
                tracks = stage.tracks()
            if key in ("tracking", "batch"):
                stage.check()
        except (
            MissingWeights,
            CheckpointError,
            DatasetError,
            TrackingError,
            ImportError,
            ConnectionError,
        ) as error:
            problems.append(str(error))
    if isinstance(stages.get("verdict"), Thresholds):
        problems += _unknown_metrics(stages["verdict"], cfg.metrics)
    problems += unwritable(Path(cfg.output.dir))
    cache: Cache = NoCache()
    if cfg.cache.max_gb <= 0:
        problems.append(
            f"cache.max_gb={cfg.cache.max_gb} must be above 0; cache.enabled=false keeps nothing"
        )
    elif cfg.cache.enabled or (cfg.cache.enabled is None and sweeping):
        folder = Path(cfg.cache.dir).expanduser() if cfg.cache.dir else default_dir()
        cache = DiskCache(folder.absolute(), int(cfg.cache.max_gb * 1e9))
        problems += unwritable(folder, "cache.dir")
    if problems:
        # a wrong device is every stage's problem, but said once
        raise ConfigError(list(dict.fromkeys(problems)))
    several = {group: {name: stages[f"{group}.{name}"] for name in cfg[group]} for group in MANY}
    pipeline = Pipeline(
        separators=several["separators"],
        fusion=stages["fusion"],
        enhancement=stages["enhancement"],
        postprocess=several["postprocess"],
        device=torch_device(cfg.device),
        cache=cache,
    )
    late = {key: stages[key] for key in LATE} | {key: stages.get(key) for key in MAYBE}
    metrics = (
        several["metrics"] if isinstance(cache, NoCache) else remembering(several["metrics"], cache)
    )
    return Experiment(tracks, pipeline, metrics, **late, weights=weights)


def conf_dir() -> str:
    """The folder of config groups: beside the package in a checkout, inside it in an installed
    wheel.
    """
    inside = PACKAGE / "conf"
    return str(inside if inside.is_dir() else PACKAGE.parent / "conf")


def bare(config: Mapping[str, Any]) -> dict[str, Any]:
    """A run's config without what surrounds its pipeline: no store, no executor, and for data the
    pilot that ships.
    """
    own = {key: value for key, value in config.items() if key not in ("batch", "delivery")}
    surroundings = {
        "dataset": "speechclean.stages.datasets.manifest.Pilot",
        "tracking": "speechclean.records.tracking.NoTracker",
    }
    return own | {key: {"_target_": target} for key, target in surroundings.items()}


def _unknown_metrics(thresholds: Thresholds, measured: Iterable[Any]) -> list[str]:
    """Thresholds of metrics that do not exist: they would never be asked, and nobody would
    notice.
    """
    known = sorted(
        {path.stem for path in Path(conf_dir(), "metrics").glob("*.yaml")} | set(map(str, measured))
    )
    named = [
        (side, name)
        for side in ("harm", "gain")
        for name in getattr(thresholds, side)
        if name not in known
    ]
    close = {name: difflib.get_close_matches(name, known, 1) for _, name in named}
    return [
        f"verdict.{side}.{name}: there is no metric {name!r}"
        + (
            f"; did you mean {close[name][0]}?"
            if close[name]
            else f"; the choices are {', '.join(known)}"
        )
        for side, name in named
    ]


def unwritable(folder: Path, key: str = "hydra.run.dir") -> list[str]:
    """A problem if nothing can be created in the folder, or where it would be made: by trying,
    since root may do anything.
    """
    there = next(
        parent for parent in [folder.absolute(), *folder.absolute().parents] if parent.exists()
    )
    try:
        with tempfile.TemporaryDirectory(dir=there):
            return []
    except OSError as error:
        return [
            f"{key}={folder}: cannot be written ({os.strerror(error.errno or 0)}); choose another folder"
        ]
