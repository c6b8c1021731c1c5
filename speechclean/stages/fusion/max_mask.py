"""Max fusion: the most speech that any separator hears."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .base import MaskFusion


@dataclass(frozen=True)
class MaxMask(MaskFusion):
    """The maximum over separators: it keeps every word that one of them found, and every leak."""

    def combine(self, masks: Tensor, weights: Tensor) -> Tensor:  # noqa: ARG002
        """The maximum."""
        return masks.amax(0)
