"""What is tried: each knob that decides over words, alone first, then with the others."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from speechclean.audio.waveform import Audio
from speechclean.stages.fusion.base import FusionRule
from speechclean.stages.fusion.max_mask import MaxMask
from speechclean.stages.fusion.mean_mask import MeanMask
from speechclean.stages.fusion.mean_waveform import MeanWaveform
from speechclean.stages.postprocess.beta_wiener import BetaWiener
from speechclean.stages.postprocess.floor import Floor
from speechclean.stages.types import Separation, Stems

SYSTEMS = {
    "two small": ("embedded_htdemucs", "embedded_hdemucs_q"),
    "hdemucs24": ("embedded_hdemucs24",),
}
RULES: dict[str, type[FusionRule]] = {
    "mean": MeanMask,
    "max": MaxMask,
    "waveform": MeanWaveform,
}
EXPONENTS, BETAS, FLOORS = (2.0, 1.5, 1.0), (0.25, 0.0), (None, -20.0, -14.0)


@dataclass(frozen=True)
class Point:
    """One pipeline. `adaptive` is of the floor."""

    system: str
    rule: str
    exponent: float
    beta: float
    floor_db: float | None
    adaptive: bool

    def clean(self, mixture: Audio, answers: Mapping[str, Stems]) -> Separation:
        """What the pipeline makes of a mixture, before its level is set."""
        stems = {name: answers[name] for name in SYSTEMS[self.system]}
        separation = RULES[self.rule](exponent=self.exponent)(mixture, stems)
        separation = BetaWiener(self.beta)(separation)
        return Floor(self.floor_db, self.adaptive)(separation)


#: Heard before the rest of the grid, which takes hours: each knob alone, then what promises most.
FIRST = (
    Point("hdemucs24", "mean", 2.0, 0.25, None, False),
    Point("hdemucs24", "mean", 2.0, 0.0, None, False),
    Point("hdemucs24", "mean", 1.0, 0.0, None, False),
    Point("hdemucs24", "mean", 2.0, 0.0, -20.0, False),
    Point("hdemucs24", "mean", 2.0, 0.0, -20.0, True),
    Point("hdemucs24", "mean", 1.0, 0.0, -20.0, True),
    Point("two small", "mean", 2.0, 0.25, None, False),
    Point("two small", "mean", 1.0, 0.0, None, False),
    Point("two small", "max", 1.0, 0.0, None, False),
    Point("two small", "mean", 1.0, 0.0, -20.0, True),
    Point("two small", "mean", 2.0, 0.25, -14.0, False),
    Point("two small", "mean", 2.0, 0.25, -14.0, True),
    Point("hdemucs24", "mean", 1.0, 0.0, -14.0, True),
    Point("two small", "waveform", 2.0, 0.0, None, False),
    Point("hdemucs24", "waveform", 2.0, 0.0, None, False),
)


def points() -> list[Point]:
    """`FIRST`, then the rest of the grid; of one separator every mask rule is the same."""
    found = []
    for system, rule, exponent, beta, floor_db in itertools.product(
        SYSTEMS, RULES, EXPONENTS, BETAS, FLOORS
    ):
        if rule == "max" and len(SYSTEMS[system]) == 1:
            continue
        if rule == "waveform" and exponent != EXPONENTS[0]:
            continue
        for adaptive in (False, True)[: 1 if floor_db is None else 2]:
            found.append(Point(system, rule, exponent, beta, floor_db, adaptive))
    return [*FIRST, *(one for one in found if one not in FIRST)]
