"""STOI: how intelligible the speech is, against the clean reference."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import ClassVar

from speechclean.audio.waveform import Audio
from speechclean.stages.types import Separation, Track

from .reference import aligned_reference

#: What pystoi answers where it finds fewer than 30 frames of active speech.
TOO_SHORT = 1e-5
_one_at_a_time = Lock()


@dataclass(frozen=True)
class Stoi:
    """Short-time objective intelligibility (Taal, Hendriks, Heusdens & Jensen, IEEE TASLP 2011), by
    pystoi; `extended` for ESTOI (Jensen & Taal, IEEE/ACM TASLP 2016), which is the better judge
    where the disturbance comes and goes, as music does.

    About 0 (nothing understood) to 1. Channels are averaged to mono first, which is what a
    listener's transcript is about. None without a reference, with a silent one, or with less active
    speech than one analysis segment of 30 frames (0.4 s); pystoi would say 1e-5 there. A silent
    estimate reads 0.
    """

    extended: bool = False

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = True

    def __call__(self, separation: Separation, track: Track) -> float | None:
        reference = aligned_reference(separation, track)
        if reference is None:
            return None
        return stoi(separation.speech.mono(), reference.mono(), self.extended)


def stoi(estimate: Audio, reference: Audio, extended: bool = False) -> float | None:
    """STOI of two mono sounds `[1, samples]` of one rate and length, or None when pystoi finds too
    little active speech.
    """
    import numpy as np
    import pystoi

    # It would tell this of every short file; the setting is the process's, so that no thread takes
    # it back under another.
    warnings.filterwarnings("ignore", message="Not enough STFT frames", category=RuntimeWarning)
    if not estimate.waveform.any():
        return 0.0
    clean, heard = (
        audio.waveform[0].detach().cpu().numpy().astype(np.float64)
        for audio in (reference, estimate)
    )
    with _dither() if extended else nullcontext():
        try:
            value = float(pystoi.stoi(clean, heard, reference.sample_rate, extended=extended))
        except ValueError:  # under one 26 ms frame pystoi takes the maximum of nothing
            return None
    return value if math.isfinite(value) and value != TOO_SHORT else None


@contextmanager
def _dither() -> Iterator[None]:
    """ESTOI draws dither of 1e-16 from numpy's global generator: seeded for the same value every
    time, and given back.
    """
    import numpy as np

    with _one_at_a_time:
        state = np.random.get_state()
        np.random.seed(0)
        try:
            yield
        finally:
            np.random.set_state(state)
