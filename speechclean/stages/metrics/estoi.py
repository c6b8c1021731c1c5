"""ESTOI: intelligibility against the clean reference, under a disturbance that comes and goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from speechclean.stages.types import Separation, Track

from .reference import aligned_reference, in_mono
from .stoi import stoi


@dataclass(frozen=True)
class Estoi:
    """Extended short-time objective intelligibility (Jensen & Taal, IEEE/ACM TASLP 2016).

    By pystoi; `stoi.Stoi` tells how channels, silence and short sounds are taken.
    """

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = True
    reads_mask: ClassVar[bool] = False
    needs_packages: ClassVar[tuple[str, ...]] = ("pystoi",)
    needs: ClassVar[str] = "reference"

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The value, about 0 to 1."""
        reference = aligned_reference(separation, track)
        if reference is None:
            return None
        clean, judged = in_mono(reference, separation.speech)
        return stoi(judged, clean, extended=True)
