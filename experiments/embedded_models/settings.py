"""Settings of a training: the schema of conf/train.yaml.

Everything that is wrong with them is said at once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from experiments.embedded_models.losses import Weights
from experiments.embedded_models.mixing import Recipe
from experiments.embedded_models.networks import NETWORKS
from speechclean.system.device import torch_device

PRECISIONS = ("fp32", "tf32", "bf16")


@dataclass
class Data:
    """Where the sound is: banks that data.py wrote, or folders."""

    banks: str | None = None
    speech: str | None = None
    music: str | None = None
    noise: str | None = None
    crop_s: float = 3.0
    workers: int = 0


@dataclass
class Export:
    """Where the finished network goes, and what it is called there."""

    dir: str | None = None
    name: str = "${network}"


@dataclass
class Settings:
    """One training; the reasons are in conf/train.yaml."""

    network: str
    init: str | None = None
    resume: bool = False
    minutes: float | None = None
    steps: int | None = None
    data: Data = field(default_factory=Data)
    # keys that were not there could not be set
    recipe: dict[str, Any] = field(default_factory=lambda: asdict(Recipe()))
    loss: dict[str, float] = field(default_factory=lambda: asdict(Weights()))
    batch: int = 3
    lr: float = 1.5e-3
    muon_lr: float = 4e-3
    lr_scale: float = 1.0
    diffq: float = 0.0
    seed: int = 1
    valid_every: float = 5.0
    valid_count: int = 48
    device: str = "auto"
    precision: str = "fp32"
    threads: int = 1
    export: Export = field(default_factory=Export)
    tracking: Any = None

    def mixtures(self) -> Recipe:
        """The recipe with what was overridden; lists become the ranges they stand for."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self.recipe.items()
        }
        return Recipe(**values)

    def problems(self, out: Path) -> list[str]:
        """Why this cannot run, [] if it can."""
        found = []
        if self.network not in NETWORKS:
            found.append(f"network={self.network}: the choices are {', '.join(sorted(NETWORKS))}")
        if self.minutes is None and self.steps is None:
            found.append("say how long: minutes=60, or steps=2000")
        for name in (
            "minutes",
            "steps",
            "batch",
            "lr",
            "muon_lr",
            "lr_scale",
            "valid_every",
            "threads",
        ):
            value = getattr(self, name)
            if value is not None and value <= 0:
                found.append(f"{name}={value}: must be above 0")
        known = {one.name for one in fields(Recipe)}
        found += [
            f"recipe.{name}: the recipe knows {', '.join(sorted(known))}"
            for name in self.recipe
            if name not in known
        ]
        found += self._data_problems()
        if self.resume and not (out / "last.pt").exists():
            found.append(
                f"resume=true: no last.pt in {out}; hydra.run.dir= names the folder of the "
                "training to go on with"
            )
        if not self.resume and (out / "last.pt").exists():
            found.append(
                f"{out} holds a training already: go on with resume=true, or choose another "
                "hydra.run.dir"
            )
        if self.precision not in PRECISIONS:
            found.append(f"precision={self.precision}: the choices are {', '.join(PRECISIONS)}")
        try:
            if torch_device(self.device).type == "cpu" and self.precision in PRECISIONS[1:]:
                found.append(
                    f"precision={self.precision}: only a GPU gains from it; a CPU trains in fp32"
                )
        except (ValueError, RuntimeError) as error:
            found.append(f"device={self.device}: {error}")
        return found

    def _data_problems(self) -> list[str]:
        data, found = self.data, []
        own = [name for name in ("speech", "music", "noise") if getattr(data, name)]
        if data.banks and own:
            found.append("data: either banks or folders of your own, not both")
        elif data.banks:
            if not any(
                Path(data.banks).glob("pairs_train.npy" if self.network == "denoiser" else "*.csv")
            ):
                maker = "remains.py" if self.network == "denoiser" else "data.py"
                found.append(f"data.banks={data.banks}: no folder that {maker} has written")
        elif self.network == "denoiser":
            found.append(
                "data.banks must name a folder written by remains.py: the denoiser learns from "
                "what separators leave"
            )
        else:
            found += [
                f"data.{name} must name a folder (or data.banks one written by data.py)"
                for name in ("speech", "music")
                if name not in own
            ]
            for name in own:
                if not Path(getattr(data, name)).is_dir():
                    found.append(f"data.{name}={getattr(data, name)}: there is no such folder")
        return found
