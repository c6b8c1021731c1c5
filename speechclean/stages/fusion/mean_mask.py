"""Mean fusion: errors that separators do not share average out."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .weights import WeightedMaskFusion


@dataclass(frozen=True)
class MeanMask(WeightedMaskFusion):
    """The weighted arithmetic mean over separators."""

    def combine(self, masks: Tensor, weights: Tensor) -> Tensor:
        """The weighted mean."""
        return (weights * masks).sum(0)
