"""Metrics of mixtures, cached: they are the same in every trial of a sweep.

Some of them (words, by a recogniser) cost as much as a separation.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from speechclean.networks.weights import sha256
from speechclean.system.device import torch_device

from .code import stage_parts
from .disk import Cache, NoCache
from .keys import arithmetic, samples
from .tally import Cost

#: What the values of metrics are called among all entries.
KIND = "metric"


@dataclass(frozen=True)
class Remembered:
    """A metric whose values for mixtures are cached.

    A state before cleaning, in which the speech is the mixture itself, comes back in every trial.
    The fused mask differs from trial to trial: it is part of the key unless the metric's class says
    `reads_mask = False`.
    """

    metric: Any
    cache: Cache

    def __getattr__(self, name: str) -> Any:
        """Whatever else the metric has, such as its weights and how to load them."""
        if name.startswith("__") or name == "metric":
            raise AttributeError(name)
        return getattr(self.metric, name)

    @property
    def unit(self) -> str:
        """The metric's own unit."""
        return str(self.metric.unit)

    @property
    def higher_is_better(self) -> bool | None:
        """The metric's own answer."""
        better: bool | None = self.metric.higher_is_better
        return better

    def __call__(self, separation: Any, track: Any) -> float | None:
        """The metric's own value."""
        if separation.speech is not separation.mixture or isinstance(self.cache, NoCache):
            value: float | None = self.metric(separation, track)
            return value
        key = self._key(separation, track)
        if (cached := self.cache.get(KIND, key)) is not None:
            return _from_bits(cached)
        value = self.metric(separation, track)
        self.cache.put(KIND, key, _as_bits(value), Cost(0, 0.0))
        return value

    def _key(self, separation: Any, track: Any) -> dict[str, Any]:
        metric = self.metric
        knobs = {one.name: str(getattr(metric, one.name)) for one in dataclasses.fields(metric)}
        weights = metric.weight_files() if hasattr(metric, "weight_files") else {}
        device = torch_device(getattr(metric, "device", "cpu"))
        mask = samples(separation.mask) if getattr(metric, "reads_mask", True) else None
        return stage_parts(type(metric), __name__) | {
            "knobs": knobs,
            "weights": {name: sha256(path) for name, path in weights.items()},
            "mixture": _sound(separation.mixture),
            "mask": mask,
            "reference": _sound(track.reference),
            "transcript": track.transcript,
            "language": track.language,
            "arithmetic": arithmetic(device, torch.get_num_threads()),
        }


def remembering(metrics: Mapping[str, Any], cache: Cache) -> dict[str, Any]:
    """Metrics whose values for mixtures are cached."""
    return {name: Remembered(metric, cache) for name, metric in metrics.items()}


def _sound(audio: Any) -> list[str | int] | None:
    return None if audio is None else [samples(audio.waveform), audio.sample_rate]


def _as_bits(value: float | None) -> Tensor:
    """A value as the bits of two float32, exact whatever it is; NaN stands for None."""
    double = torch.tensor([math.nan if value is None else value], dtype=torch.float64)
    return double.view(torch.float32)


def _from_bits(bits: Tensor) -> float | None:
    value = float(bits.view(torch.float64))
    return None if math.isnan(value) else value
