"""PESQ: quality against the clean reference, by the telephone engineers' model of the ear."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from speechclean.audio.waveform import resample
from speechclean.stages.types import Separation, Track

from .reference import aligned_reference, in_mono

#: Wideband PESQ is defined at this rate.
RATE = 16000


@dataclass(frozen=True)
class Pesq:
    """Wideband perceptual evaluation of speech quality (ITU-T P.862.2), by the `pesq` package.

    MOS-LQO from 1.04 (bad) to 4.64. Channels are averaged, the sound is heard at 16 kHz, and PESQ
    levels both sides itself.

    None without a reference or with a silent one, for sounds under a quarter of a second, where
    PESQ finds no utterance, and
    for more than `longest_s`: it was made for utterances, and its alignment grows with the square
    of their length. A silent
    estimate reads None too: there is nothing to level.
    """

    longest_s: float = 120.0

    unit: ClassVar[str] = "MOS-LQO"
    higher_is_better: ClassVar[bool | None] = True
    reads_mask: ClassVar[bool] = False
    needs_packages: ClassVar[tuple[str, ...]] = ("pesq",)
    needs: ClassVar[str] = "reference"

    def __post_init__(self) -> None:
        if not 1 <= self.longest_s < math.inf:
            raise ValueError(f"longest_s must be at least 1 s, got {self.longest_s}")

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The MOS-LQO, 1.04 to 4.64."""
        reference = aligned_reference(separation, track)
        if (
            reference is None
            or reference.seconds > self.longest_s
            or not separation.speech.waveform.any()
        ):
            return None
        import pesq

        sides = [
            resample(audio, RATE).waveform[0].detach().cpu().numpy()
            for audio in in_mono(reference, separation.speech)
        ]
        if len(sides[0]) < RATE // 4:
            return None
        try:
            # It rounds to 16 bits inside, so quiet sounds are lifted first.
            value = float(
                pesq.pesq(RATE, *(side / np.abs(side).max() * 0.9 for side in sides), "wb")
            )
        except pesq.PesqError:  # no utterance, or not enough of one
            return None
        return value if math.isfinite(value) else None
