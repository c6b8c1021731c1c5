"""Min fusion: the least speech that any separator hears."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .base import MaskFusion


@dataclass(frozen=True)
class MinMask(MaskFusion):
    """The minimum over separators; the strictest rule, it keeps every cut that one of them made."""

    def combine(self, masks: Tensor, weights: Tensor) -> Tensor:  # noqa: ARG002
        """The minimum."""
        return masks.amin(0)
