"""Where somebody speaks: silero-vad, with its model from the package itself.

Shared by the metrics that tell speech and pauses.

The last few answers are kept by content, so that judging a file before and after cleaning listens
to it once.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import torch

from speechclean.audio import stft
from speechclean.audio.waveform import Audio, resample
from speechclean.stages.types import Separation, Track
from speechclean.system import parallel
from speechclean.system.borrowed import folder_of, ignored_warnings, module_of

from .memo import Memo
from .reference import aligned_reference

#: The rate silero-vad works at.
VAD_RATE = 16000

_memo: Memo[list[tuple[float, float]]] = Memo()


def speech_segments(audio: Audio, threshold: float = 0.5) -> list[tuple[float, float]]:
    """Stretches of speech as (start, end) in seconds, in order, without overlap.

    Channels are mixed down (`Audio.mono`), the rate is free.

    `threshold` is silero's speech probability in 0..1. No padding is added around the stretches.
    """
    mono = audio.mono().waveform[0].detach().cpu().contiguous()
    key = (hashlib.sha256(mono.numpy().tobytes()).digest(), audio.sample_rate, threshold)

    def listen() -> list[tuple[float, float]]:
        return _listen(
            resample(Audio(mono[None], audio.sample_rate), VAD_RATE).waveform[0], threshold
        )

    return list(_memo(key, listen))


def heard_voice(separation: Separation, track: Track) -> Audio:
    """What the detector listens to: the same before and after cleaning.

    That is the reference if there is one, else the mixture under the fused mask.
    """
    mixture = separation.mixture
    if track.reference is not None:
        reference = aligned_reference(separation, track)
        return mixture.with_waveform(torch.zeros(1, 1)) if reference is None else reference
    return mixture.with_waveform(stft.apply_mask(mixture.waveform, separation.mask))


def _listen(waveform: torch.Tensor, threshold: float) -> list[tuple[float, float]]:
    if not waveform.any():
        return []
    # Its tiny layers crawl on several threads: minutes for a clip on a busy machine.
    with parallel.threads(1):
        found = _silero().get_speech_timestamps(
            waveform, _model(), threshold=threshold, sampling_rate=VAD_RATE, speech_pad_ms=0
        )
    return [(stretch["start"] / VAD_RATE, stretch["end"] / VAD_RATE) for stretch in found]


def _silero() -> Any:
    """Its module of functions alone: importing the package sets one thread for the process."""
    return module_of("silero_vad", "utils_vad")


@functools.cache
def _model() -> Any:
    # silero-vad still loads by torch.jit.load, which is deprecated.
    with ignored_warnings(DeprecationWarning):
        return _silero().init_jit_model(str(folder_of("silero_vad") / "data" / "silero_vad.jit"))
