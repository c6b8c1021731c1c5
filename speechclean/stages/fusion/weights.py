"""Rules that trust separators differently, everywhere or band by band."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .base import FusionRule, MaskFusion


@dataclass(frozen=True)
class WeightedRule(FusionRule, ABC):
    """A rule that trusts separators differently.

    weights: trust by separator name, e.g. `{embedded_htdemucs: 2}`, or one number for each band,
        e.g. `{embedded_htdemucs: [2, 1]}`; those not named count 1; None: all alike
    bands_hz: where one band ends and the next begins, in Hz, rising: one less than there are
        bands; None: one band
    """

    weights: dict[str, Any] | None = None
    bands_hz: list[float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        edges = list(self.bands_hz or [])
        if any(low >= high for low, high in zip([0, *edges], edges, strict=False)):
            raise ValueError(f"bands_hz={edges} must rise, from above 0 Hz")
        for name, weight in (self.weights or {}).items():
            given = _each(weight)
            if min(given) <= 0:
                raise ValueError(
                    f"weights.{name}={weight} must be above 0; "
                    "to ignore a separator, leave it out of separators=[...]"
                )
            if len(given) not in (1, len(edges) + 1):
                raise ValueError(
                    f"weights.{name} has {len(given)} numbers; with bands_hz={self.bands_hz} give "
                    f"{len(edges) + 1}, or one for all bands"
                )

    def trust(self, names: list[str], sample_rate: int, like: Tensor) -> Tensor:
        """Weights on a spectrum `[..., freqs, frames]`; over separators they sum to one.

        Shape: `[separators, 1, freqs or 1, 1]`.
        """
        bands = len(self.bands_hz or []) + 1
        given = [_each((self.weights or {}).get(name, 1.0)) for name in names]
        rows = [one * bands if len(one) == 1 else one for one in given]
        weights = torch.tensor(rows, dtype=like.dtype, device=like.device)
        weights = weights / weights.sum(0)
        if self.bands_hz:
            hz = torch.linspace(0, sample_rate / 2, like.shape[-2], device=like.device)
            edges = torch.tensor(self.bands_hz, device=like.device)
            weights = weights[:, torch.bucketize(hz, edges, right=True)]
        return weights[:, None, :, None]


@dataclass(frozen=True)
class WeightedMaskFusion(WeightedRule, MaskFusion, ABC):
    """A rule about masks that trusts separators differently."""


def _each(weight: float | Sequence[float]) -> list[float]:
    """The numbers of a weight: one for all bands, or one for each."""
    return [float(one) for one in weight] if isinstance(weight, Sequence) else [float(weight)]
