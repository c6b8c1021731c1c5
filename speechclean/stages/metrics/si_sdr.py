"""SI-SDR: how far the speech is from the clean reference, whatever its level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from speechclean.stages.types import Separation, Track

from .decibels import check_cap, decibels
from .reference import aligned_reference


@dataclass(frozen=True)
class SiSdr:
    """Scale-invariant signal-to-distortion ratio in dB.

    Le Roux, Wisdom, Erdogan & Hershey, "SDR - half-baked or well done?", ICASSP 2019: 10 log10 |a
    s|^2 / |a s - e|^2 with a = <e, s> / |s|^2, reference s and estimate e.

    Each channel's mean is taken out first, as Luo & Mesgarani (TasNet, 2018) do for the same
    formula, so that a DC offset is
    no distortion. Channels are taken jointly, as BS.1770 does for loudness and the music demixing
    challenges for SDR: one scale and one ratio over the samples of all, so that a wrong balance
    counts and a silent channel does no harm.

    The value is held within +-`cap_db`. A perfect estimate reads `cap_db`; one that holds nothing
    of the reference, silence included (there the formula is 0/0), reads -`cap_db`: leaving it out
    would reward a pipeline for muting hard files. None without a reference, or with a silent one.
    """

    cap_db: float = 100.0

    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool | None] = True
    reads_mask: ClassVar[bool] = False
    needs: ClassVar[str] = "reference"

    def __post_init__(self) -> None:
        check_cap(self.cap_db)

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The ratio in dB."""
        reference = aligned_reference(separation, track)
        if reference is None:
            return None
        return si_sdr(separation.speech.waveform, reference.waveform, self.cap_db)


def si_sdr(estimate: Tensor, reference: Tensor, cap_db: float = 100.0) -> float | None:
    """SI-SDR in dB of two waveforms of one shape `[channels, samples]`, the reference not silent.

    None for NaN or infinity.

    >>> import torch
    >>> tone, noise = torch.tensor([[1.0, -1.0, 1.0, -1.0]]), torch.tensor([[1.0, 1.0, -1.0, -1.0]])
    >>> round(si_sdr(5 * (tone + 0.1 * noise), tone), 3)
    20.0
    """
    s = (reference.double() - reference.double().mean(-1, keepdim=True)).flatten()
    e = (estimate.double() - estimate.double().mean(-1, keepdim=True)).flatten()
    target = (e @ s) / (s @ s) * s
    kept, lost = float(target.square().sum()), float((target - e).square().sum())
    if not math.isfinite(kept + lost):
        return None
    return decibels(kept, lost, cap_db)
