"""The `sweep` node of a config."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from speechclean.system.paths import expanded
from speechclean.system.secrets import masked

#: A job of a sweep is told its trial's number in this environment variable.
VARIABLE = "SPEECHCLEAN_TRIAL"
SAMPLERS = ("tpe", "gp", "nsgaii", "random", "grid")
#: Seconds in each unit of a budget.
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class StudyError(RuntimeError):
    """A study that cannot be gone on with; the message says what to do, without passwords."""

    def __init__(self, message: str) -> None:
        super().__init__(masked(message))


class FilesFailedError(RuntimeError):
    """A study that came to its end, with trials in which files failed; the message names them."""


@dataclass
class Settings:
    """What conf/sweep/*.yaml says.

    study: its name in the storage; the same command with the same name goes on with it
    storage: None (a sqlite file in the sweep's folder), a sqlite or postgresql URL, or a journal
        (`journal:PATH`)
    n_trials: in all, with those of earlier starts and of other workers; None: every point of a
        grid, or as many as the budget allows
    budget: time of each start, such as `30m` or `2h`, after which no trial is begun; None: no limit
    n_jobs: trials that are launched together; Hydra's launcher runs them (`hydra/launcher=joblib`,
        `submitit_slurm`)
    sampler: `tpe`, `gp`, `nsgaii`, `random` or `grid`
    startup_trials: random ones before the sampler draws conclusions
    seed: of the sampler and of the order of files
    objective: None: chosen by whether there are references; else see `objective.py`; a list for
        several
    constraints: such as `wer <= mixture + 0.02`
    current: whether the first trial is the config as it stands, which constraints call `current`
    space: key: values, in Hydra's syntax (`choice(…)`, `range(…)`, `interval(…)`)
    first: points of it that are tried before the sampler proposes any, each with a value for every
        key that is searched in it (`first_points.py`)
    conditions: key: where it is searched (`conditions.py`)
    prune_p: a trial ends early when its files are worse than the best trial's with this p
        (Wilcoxon); 0: never
    prune_after: files before that
    max_failures: failed trials in a row that end the sweep
    stale_s: a lease on a server that was not renewed for so long is stale (one that is a lock on a
        file is stale as soon as its holder ends)
    listen: how many of the best trials can be heard in study.html, beside the config as it stands
    preset: the name of the preset that the best config becomes; None: it is left in the sweep's
        folder
    """

    study: str = ""
    storage: str | None = None
    n_trials: int | None = 50
    budget: str | None = None
    n_jobs: int = 1
    sampler: str = "tpe"
    startup_trials: int = 10
    seed: int = 0
    objective: Any = None
    constraints: list[str] = field(default_factory=list)
    current: bool = False
    space: dict[str, str] = field(default_factory=dict)
    conditions: dict[str, str] = field(default_factory=dict)
    first: list[dict[str, Any]] = field(default_factory=list)
    prune_p: float = 0.05
    prune_after: int = 5
    max_failures: int = 5
    stale_s: float = 120.0
    listen: int = 0
    preset: str | None = None

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler={self.sampler!r} must be one of {', '.join(SAMPLERS)}")
        budget_s = self.budget_s  # raises where it is no time
        if self.n_trials is None and self.sampler != "grid" and budget_s is None:
            raise ValueError(
                "n_trials=null is for sampler=grid, every point, or goes with a budget"
            )
        for name, least in (
            ("n_trials", 1),
            ("n_jobs", 1),
            ("startup_trials", 1),
            ("max_failures", 1),
            ("prune_after", 2),
            ("listen", 0),
        ):
            if (value := getattr(self, name)) is not None and value < least:
                raise ValueError(f"{name}={value} must be {least} or more")
        if not 0 <= self.prune_p < 1:
            raise ValueError(f"prune_p={self.prune_p} must be at least 0 and below 1")
        if not self.study:
            raise ValueError("study= must name the study")

    @property
    def budget_s(self) -> float | None:
        """The budget in seconds."""
        try:
            return None if self.budget is None else seconds_of(str(self.budget))
        except ValueError as error:
            raise ValueError(f"budget={self.budget!r} {error}") from None

    @classmethod
    def of(cls, cfg: DictConfig) -> Settings:
        """From a config. Raises `ValueError` with the key."""
        try:
            made: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(cls), cfg.sweep))
        except (OmegaConfBaseException, ValueError) as error:
            raise ValueError(f"sweep.{str(error).splitlines()[0]}") from error
        return made


def seconds_of(text: str) -> float:
    """A time in seconds. Raises `ValueError` for what is none, or no time at all.

    >>> seconds_of("90"), seconds_of("1.5h")
    (90.0, 5400.0)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", text)
    if not found or not float(found[1]):
        raise ValueError("must be a time such as 90s, 30m or 2h")
    return float(found[1]) * UNITS[found[2] or "s"]


def storage_of(settings: Settings, folder: Path) -> str:
    """Where the study is kept; paths made absolute."""
    storage = settings.storage or f"sqlite:///{folder.absolute() / 'study.db'}"
    for prefix in ("journal:", "sqlite:///"):
        if storage.startswith(prefix):
            return prefix + str(expanded(storage.removeprefix(prefix)).absolute())
    return storage


def folder_of(storage: str) -> Path | None:
    """The folder of a storage that is a file: all who work on the study see it."""
    for prefix in ("journal:", "sqlite:///"):
        if storage.startswith(prefix):
            return Path(storage.removeprefix(prefix)).parent
    return None


def plain(node: Any) -> Any:
    """A node as plain values."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
