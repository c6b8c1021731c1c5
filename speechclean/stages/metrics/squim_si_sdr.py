"""What SI-SDR would be, guessed without a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .squim import Squim


@dataclass(frozen=True)
class SquimSiSdr(Squim):
    """`Squim`'s guess of SI-SDR in dB."""

    score: str = "si_sdr"

    unit: ClassVar[str] = "dB"
