"""Geometric mean fusion: a confident "music" counts more than a confident "speech"."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .weights import WeightedMaskFusion


@dataclass(frozen=True)
class GeometricMask(WeightedMaskFusion):
    """The weighted geometric mean over separators; a zero from any of them stays zero."""

    def combine(self, masks: Tensor, weights: Tensor) -> Tensor:
        """The weighted geometric mean."""
        return (masks**weights).prod(0)
