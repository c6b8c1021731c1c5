"""No enhancement."""

from __future__ import annotations

from dataclasses import dataclass

from speechclean.stages.types import Separation


@dataclass(frozen=True)
class Identity:
    """Passes the separation on as it is."""

    def __call__(self, separation: Separation) -> Separation:
        """The separation itself."""
        return separation
