"""Folders and the tracking store are made, once a config was found to be right."""

from __future__ import annotations

import tempfile
from pathlib import Path

from speechclean.networks.cache import DiskCache
from speechclean.records.tracking import TrackingError

from .assemble import Experiment
from .errors import ConfigError, cannot_be_written


def prepare(experiment: Experiment, folder: Path) -> None:
    """Make what a run needs: its output `folder`, the cache's, and the tracking store.

    What only the attempt can tell (a quota, a full disk, a store that refuses) raises `ConfigError`
    in the words of `validate`.
    """
    problems = _make(folder, "hydra.run.dir")
    if isinstance(experiment.pipeline.cache, DiskCache):
        problems += _make(experiment.pipeline.cache.folder, "cache.dir")
    if not problems:
        try:
            experiment.tracking.prepare()
        except TrackingError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError(problems)


def _make(folder: Path, key: str) -> list[str]:
    """Make a folder and write something into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"1")
        return []
    except OSError as error:
        return [cannot_be_written(key, folder, error.strerror or str(error))]
