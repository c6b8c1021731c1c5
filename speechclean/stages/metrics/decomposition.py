"""What is wrong with an estimate, split into music that is still there and damage that is new.

Shared by si_sir and si_sar.
"""

from __future__ import annotations

import torch
from torch import Tensor

from speechclean.stages.types import Separation, Track

from .reference import aligned_reference


def split(separation: Separation, track: Track) -> tuple[float, float, float] | None:
    """Energies of target, interference and artefacts in `separation.speech`.

    None without a reference.

    Le Roux, Wisdom, Erdogan & Hershey, "SDR - half-baked or well done?" (ICASSP 2019), after BSS
    Eval: with the reference s and the music m = mixture - s, the estimate e is projected on s
    (target), then on the plane of s and m; what the plane adds is interference, what lies outside
    it artefacts. Each channel's mean is taken out first; channels are taken jointly. None too where
    mixture and reference are one, so that there is no music to interfere.
    """
    reference = aligned_reference(separation, track)
    if reference is None:
        return None
    music = separation.mixture.waveform - reference.waveform
    if float(music.square().mean()) < 1e-14 or not separation.speech.waveform.isfinite().all():
        return None
    s, m, e = (
        _centred(waveform) for waveform in (reference.waveform, music, separation.speech.waveform)
    )
    target = (e @ s) / (s @ s) * s
    # The part of the music that is at right angles to the voice: nothing else of it can add to the
    # plane.
    m = m - (m @ s) / (s @ s) * s
    interference = (e @ m) / (m @ m) * m if m.any() else torch.zeros_like(m)
    return tuple(
        float(part.square().sum()) for part in (target, interference, e - target - interference)
    )  # type: ignore[return-value]


def _centred(waveform: Tensor) -> Tensor:
    return (waveform.double() - waveform.double().mean(-1, keepdim=True)).flatten()
