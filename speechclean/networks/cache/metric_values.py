"""Metrics of mixtures: the same in every trial of a sweep, and some (words, by a recogniser) as
dear as a separation.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from .disk import Cache
from .keys import code, samples
from .tally import Cost

KIND = "metric"


@dataclass(frozen=True)
class Remembered:
    """A metric that remembers what it said of mixtures: of states in which the speech is the
    mixture itself.

    Some metrics look at the fused mask, which differs from trial to trial, most do not: it is seen
    by watching which attributes are read, and the mask is in the key only where it was.
    """

    metric: Any
    cache: Cache

    def __getattr__(self, name: str) -> Any:
        """Whatever else the metric has: its weights, its way of loading them."""
        if name.startswith("__") or name == "metric":
            raise AttributeError(name)
        return getattr(self.metric, name)

    @property
    def unit(self) -> str:
        return str(self.metric.unit)

    @property
    def higher_is_better(self) -> bool | None:
        better: bool | None = self.metric.higher_is_better
        return better

    def __call__(self, separation: Any, track: Any) -> float | None:
        """The metric's own value."""
        if separation.speech is not separation.mixture:
            value: float | None = self.metric(separation, track)
            return value
        key = self._key(separation, track)
        for mask in ({"mask": samples(separation.mask)}, {}):
            if (kept := self.cache.get(KIND, key | mask)) is not None:
                value = float(kept.view(torch.float64))
                return None if math.isnan(value) else value
        seen: set[str] = set()
        value = self.metric(_watched(separation, seen.add), track)
        looked = {"mask": samples(separation.mask)} if "mask" in seen else {}
        # As the bits of two float32: exact, whatever the value.
        bits = torch.tensor([math.nan if value is None else value], dtype=torch.float64).view(
            torch.float32
        )
        self.cache.put(KIND, key | looked, bits, Cost(0, 0.0))
        return value

    def _key(self, separation: Any, track: Any) -> dict[str, Any]:
        reference = track.reference
        weights = self.metric.weight_files() if hasattr(self.metric, "weight_files") else {}
        return {
            "metric": type(self.metric).__name__,
            "knobs": {
                item.name: str(getattr(self.metric, item.name))
                for item in dataclasses.fields(self.metric)
            },
            "mixture": samples(separation.mixture.waveform),
            "rate": separation.mixture.sample_rate,
            "reference": None
            if reference is None
            else [samples(reference.waveform), reference.sample_rate],
            "transcript": track.transcript,
            "weights": {
                name: [str(path), path.stat().st_mtime_ns] for name, path in weights.items()
            },
            "code": code("stages/metrics", "audio"),
        }


def _watched(value: Any, tell: Callable[[str], object]) -> Any:
    """The same frozen dataclass, telling which of its attributes are read."""
    cls = type(value)

    def __getattribute__(self: Any, name: str) -> Any:  # noqa: N807
        tell(name)
        return object.__getattribute__(self, name)

    watching = type(cls.__name__, (cls,), {"__getattribute__": __getattribute__})
    twin: Any = object.__new__(watching)
    object.__getattribute__(twin, "__dict__").update(vars(value))
    return twin


def remembering(metrics: Mapping[str, Any], cache: Cache) -> dict[str, Any]:
    """Metrics that remember."""
    return {name: Remembered(metric, cache) for name, metric in metrics.items()}
