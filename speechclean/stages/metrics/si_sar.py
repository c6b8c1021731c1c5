"""SI-SAR: how far below the voice the damage done by cleaning lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from speechclean.stages.types import Separation, Track

from .decibels import check_cap, decibels
from .decomposition import split


@dataclass(frozen=True)
class SiSar:
    """Scale-invariant signal-to-artefacts ratio in dB: target and interference over artefacts.

    `decomposition.split` gives the formula and its source. The part of SI-SDR that less cleaning
    mends. The mixture has no artefacts and reads `cap_db`, so a change against it says nothing:
    compare the value after cleaning between runs.

    Held within +-`cap_db`. None without a reference, with a silent one, or with one that equals the
    mixture.
    """

    cap_db: float = 100.0

    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool | None] = None
    reads_mask: ClassVar[bool] = False
    needs: ClassVar[str] = "reference"

    def __post_init__(self) -> None:
        check_cap(self.cap_db)

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The ratio in dB."""
        parts = split(separation, track)
        if parts is None:
            return None
        target, interference, artefacts = parts
        return decibels(target + interference, artefacts, self.cap_db)
