"""What PESQ would be, guessed without a reference."""

from __future__ import annotations

from dataclasses import dataclass

from .squim import Squim


@dataclass(frozen=True)
class SquimPesq(Squim):
    """`Squim`'s guess of PESQ (1 to 4.5)."""

    score: str = "pesq"
