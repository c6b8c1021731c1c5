"""Networks are loaded before any audio is read.

A file that is not a checkpoint is then an error in the config, and not one of every input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from speechclean.experiment.config.assemble import Experiment
from speechclean.experiment.config.errors import ConfigError
from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import MissingWeights, preferring


def load(experiment: Experiment) -> None:
    """Load every network that the run will use. Raises `ConfigError` with all that cannot be."""
    problems = []
    with preferring(experiment.weights_dir):
        for key, one in _loads(experiment):
            try:
                one()
            except (CheckpointError, MissingWeights) as error:
                problems.append(f"{key}: {error}")
    if problems:
        raise ConfigError(problems)


def _loads(experiment: Experiment) -> Iterator[tuple[str, Callable[[], object]]]:
    """The key of each stage with a network, and a function that loads it.

    A separator or a denoiser has to load its network to tell its sample rate.
    """
    for name, separator in experiment.pipeline.separators.items():
        yield f"separators.{name}", partial(getattr, separator, "sample_rate")
    enhancement = experiment.pipeline.enhancement
    if not getattr(enhancement, "idle", True):
        yield "enhancement", partial(getattr, enhancement, "sample_rate")
    for name, metric in experiment.metrics.items():
        if hasattr(metric, "load"):
            yield f"metrics.{name}", metric.load
