"""STOI: how intelligible the speech is, against the clean reference."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

from speechclean.audio.waveform import Audio
from speechclean.stages.types import Separation, Track
from speechclean.system.borrowed import with_globals

from .reference import aligned_reference, in_mono

#: What pystoi answers where it finds fewer than 30 frames of active speech.
TOO_SHORT = 1e-5


@dataclass(frozen=True)
class Stoi:
    """Short-time objective intelligibility (Taal, Hendriks, Heusdens & Jensen, IEEE TASLP 2011).

    By pystoi; `extended` for ESTOI (Jensen & Taal, IEEE/ACM TASLP 2016), which is the better judge
    where the disturbance comes and goes, as music does.

    About 0 (nothing understood) to 1. Channels are mixed down to mono first, which is what a
    listener's transcript is about. None without a reference, with a silent one, or with less active
    speech than one analysis segment of 30 frames (0.4 s); pystoi would say 1e-5 there. A silent
    estimate reads 0.
    """

    extended: bool = False

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
        return stoi(judged, clean, self.extended)


def stoi(estimate: Audio, reference: Audio, extended: bool = False) -> float | None:
    """STOI of two mono sounds `[1, samples]` of one rate and length.

    None when pystoi finds too little active speech.
    """
    import numpy as np

    if not estimate.waveform.any():
        return 0.0
    clean, heard = (
        audio.waveform[0].detach().cpu().numpy().astype(np.float64)
        for audio in (reference, estimate)
    )
    try:
        value = float(_pystoi()(clean, heard, reference.sample_rate, extended=extended))
    except ValueError:  # under one 26 ms frame pystoi takes the maximum of nothing
        return None
    return value if math.isfinite(value) and value != TOO_SHORT else None


def _pystoi() -> Callable[..., Any]:
    """`pystoi.stoi` without its traces in the process, for one call.

    ESTOI draws dither of 1e-16 from numpy's global generator: here from one of its own, seeded for
    the same value every time. And pystoi would warn of every short file.
    """
    import numpy as np
    from pystoi import stoi as measure
    from pystoi import utils

    numpy = SimpleNamespace(**vars(np) | {"random": np.random.RandomState(0)})
    normalise = with_globals(utils.row_col_normalize, np=numpy)
    own = SimpleNamespace(**vars(utils) | {"row_col_normalize": normalise})
    return with_globals(measure, utils=own, warnings=SimpleNamespace(warn=lambda *_: None))
