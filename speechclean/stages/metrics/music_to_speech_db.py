"""How much is left where the fused mask heard music. Needs no reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from speechclean.audio import stft
from speechclean.stages.types import Separation, Track

from .decibels import check_cap, decibels


@dataclass(frozen=True)
class MusicToSpeech:
    """Energy where the fused mask heard music, over that where it heard speech, in dB.

        10 log10 ( sum (1 - M) |X|^2 / sum M |X|^2 )

    with X the STFT of the signal on the mask's grid, M the mask in 0..1, and sums over channels,
    frequencies and frames.

    It judges a pipeline by its own mask, so it tells how much was taken away and not whether that
    was right: compare it between runs of one fusion, and believe `si_sdr` where there is a
    reference. The value is held within +-`cap_db`. None for a silent signal, or for a mask that
    gives everything to one side.
    """

    cap_db: float = 100.0

    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool | None] = False
    reads_mask: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_cap(self.cap_db)

    def __call__(self, separation: Separation, track: Track) -> float | None:  # noqa: ARG002
        """The ratio in dB."""
        mask = separation.mask
        if not mask.numel() or bool((mask >= 1).all()) or bool((mask <= 0).all()):
            return None
        music = speech = 0.0
        # Channel by channel: half the memory that a stereo spectrum takes.
        for waveform, weight in zip(separation.speech.waveform, mask, strict=True):
            spectrum = stft.stft(waveform, 2 * (mask.shape[-2] - 1))
            power = spectrum.real.square() + spectrum.imag.square()
            speech += float((weight * power).sum(dtype=torch.float64))
            music += float(((1 - weight) * power).sum(dtype=torch.float64))
        if not 0 < music + speech < math.inf:
            return None
        return decibels(music, speech, self.cap_db)
