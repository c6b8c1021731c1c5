"""What a run begins with: its config is validated, then everything it needs is prepared."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from .assemble import Experiment
from .prepare import prepare
from .validate import validate


def build(cfg: DictConfig, sweeping: bool = False) -> Experiment:
    """The objects of a config, and the folders and the store that they need.

    Raises `ConfigError` with every problem at once; then nothing was made, unless it is one that
    only the attempt can tell. Whoever only wants to look calls `validate`.
    """
    experiment = validate(cfg, sweeping)
    prepare(experiment, Path(cfg.output.dir))
    return experiment
