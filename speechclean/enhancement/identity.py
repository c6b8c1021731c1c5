"""No enhancement."""

from __future__ import annotations

from dataclasses import dataclass

from ..separation import Separation


@dataclass(frozen=True)
class Identity:
    """Passes the separation on as it is."""

    def __call__(self, separation: Separation) -> Separation:
        return separation
