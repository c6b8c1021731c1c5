"""Median fusion: a majority of separators decides each bin."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .base import MaskFusion


@dataclass(frozen=True)
class MedianMask(MaskFusion):
    """The median over separators; of an even number, the mean of the middle two."""

    def combine(self, masks: Tensor, weights: Tensor) -> Tensor:  # noqa: ARG002
        """The median."""
        ordered = masks.sort(0).values
        middle = len(masks) // 2
        return ordered[middle] if len(masks) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
