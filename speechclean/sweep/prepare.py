"""What can be known of a sweep before any work: its space, its goals, whether its config runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from speechclean.experiment.config.assemble import Experiment
from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.config.validate import validate
from speechclean.records.class_names import with_first
from speechclean.records.key_names import current_key
from speechclean.records.provenance import canonical, digest, file_hash

from . import search_space
from .first_points import first_points
from .objective import Goals
from .settings import Settings, plain
from .space import Space, as_overrides, covering, grid, written

#: Where nothing but the mixture is known, the default objective asks for these.
BLIND_METRICS = ("music_to_speech_db", "music_residual_db", "wer_vs_mixture")


@dataclass(frozen=True)
class Prepared:
    """A sweep that can begin.

    space: what is searched
    overrides: what the command line sets for all trials, the chosen objective included
    experiment: the one of some point of the space
    goals: objectives and constraints
    config: the config of that point
    notice: what was chosen for the user, in words; "" for nothing
    """

    space: Space
    overrides: list[str]
    experiment: Experiment
    goals: Goals
    config: DictConfig
    notice: str

    def searched(self) -> dict[str, Any]:
        """What makes trials comparable: everything but the values of what is searched."""
        config = canonical(OmegaConf.to_container(self.config, resolve=True))  # type: ignore[arg-type]
        tracks = self.experiment.tracks
        references = [track.reference_path for track in tracks if track.reference_path]
        return {
            "objectives": [[dict(one.terms), one.direction] for one in self.goals.objectives],
            "constraints": [one.text for one in self.goals.constraints],
            "space": {key: str(one) for key, one in self.space.items()},
            **({"conditions": str(self.space.conditions)} if self.space.conditions else {}),
            "inputs": digest([str(file_hash(track.path)) for track in tracks]),
            "references": digest([str(file_hash(path)) for path in references]),
            "metrics": with_first(plain(self.config.metrics)),
            # Whatever a searched key reaches, by interpolation too, is in the first point and the
            # same in every start.
            **{f"config.{key}": value for key, value in dict(config).items()},
        }


def prepare(
    config: DictConfig, loader: Any, settings: Settings, arguments: list[str], folder: Path
) -> Prepared:
    """Read the space and the goals, and build the experiment of the space's first point.

    Other points are checked as far as they have keys that the first one leaves out.

    Raises `ConfigError` with all that is wrong.

    loader: Hydra's config loader; arguments: the command line; folder: of the sweep
    """
    space, overrides = _space(settings, arguments, config)
    first, *others = [as_overrides(point) for point in covering(space)]
    if settings.current:
        others.append([])

    def build_with(overrides: list[str]) -> tuple[DictConfig, Experiment]:
        composed = compose(config, loader, [*overrides, *first], folder)
        return composed, validate(composed, sweeping=True)

    notice = ""
    try:
        composed, experiment = build_with(overrides)
        referenced = all(track.reference_path for track in experiment.tracks)
        if settings.objective is None:
            if not referenced and not any(one.startswith("metrics=") for one in overrides):
                overrides = [*overrides, f"metrics=[{','.join(BLIND_METRICS)}]"]
                composed, experiment = build_with(overrides)
            chosen, notice = _chosen_objective(referenced)
            overrides = [*overrides, chosen]
        goals = Goals.of(plain(settings.objective), settings.constraints, referenced)
        for other in others:
            validate(compose(config, loader, [*overrides, *other], folder), sweeping=True)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError([str(error)]) from error
    problems = goals.unmeasured(experiment.metrics)
    if goals.compares and not settings.current:
        problems.append("sweep.constraints: current is known with sweep.current=true alone")
    if problems:
        raise ConfigError(problems)
    return Prepared(space, overrides, experiment, goals, composed, notice)


def _space(settings: Settings, arguments: list[str], config: DictConfig) -> tuple[Space, list[str]]:
    try:
        space, overrides = search_space.space_of(
            settings.space, arguments, settings.conditions, partial(_standing, config)
        )
        first_points(settings.first, settings.space, space)
        if settings.sampler == "grid":
            next(grid(space))
    except ValueError as error:
        raise ConfigError([str(error)]) from error
    return space, overrides


def _standing(config: DictConfig, key: str) -> str | None:
    """What the config has for a key or a group, as the command line would say it."""
    key = current_key(key)
    chosen = config.hydra.runtime.choices.get(key)
    if chosen is not None:
        return re.sub(r"['\"\s]", "", str(chosen))
    value = OmegaConf.select(config, key)
    return None if value is None else written(plain(value))


def compose(config: DictConfig, loader: Any, overrides: list[str], folder: Path) -> DictConfig:
    """The config of one point. Raises `ConfigError` for keys of the space that there are not."""
    try:
        composed = loader.load_sweep_config(config, overrides)
    except Exception as error:
        raise ConfigError([f"sweep.space: {str(error).splitlines()[0]}"]) from error
    with open_dict(composed):
        composed.output.dir = str(folder)
        composed.name = "sweep"
        return OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])


def _chosen_objective(referenced: bool) -> tuple[str, str]:
    """The default objective as an override, and why it is that, in words."""
    objective = Goals.of(None, (), referenced).objectives[0]
    terms = ",".join(f"{name}:{weight:g}" for name, weight in objective.terms.items())
    override = f"sweep.objective={{terms:{{{terms}}},direction:{objective.direction}}}"
    because = "every file has a reference" if referenced else "not every file has a reference"
    notice = f"No objective is given: {objective.direction} {objective.name}, since {because}"
    return override, notice
