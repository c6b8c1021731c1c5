"""Sounds as callers hold them, numpy arrays or torch tensors, and back in the same form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from .waveform import Audio, AudioError

Sound = TypeVar("Sound", np.ndarray, Tensor)

#: More channels than any recording has: such a first dimension is taken for samples.
MOST_CHANNELS = 64
#: Full scale of integer samples.
_FULL_SCALE = {torch.int16: 2**15, torch.int32: 2**31}


def as_audio(sound: Sound, sample_rate: int) -> tuple[Audio, Callable[[Tensor], Sound]]:
    """A sound, and what brings a waveform `[channels, samples]` back into the caller's form.

    sound: `[samples]` or `[channels, samples]`; floats in -1..1, 16-bit or 32-bit integers

    Raises `AudioError` for other shapes and types, no samples, NaN and infinity; `TypeError` for
    what is no array.
    """
    is_numpy = isinstance(sound, np.ndarray)
    if not is_numpy and not isinstance(sound, Tensor):
        raise TypeError(f"a numpy array or a torch tensor is wanted, not {type(sound).__name__}")
    given = torch.from_numpy(np.ascontiguousarray(sound)) if is_numpy else sound.detach()
    _check(given, sample_rate)
    scale = _FULL_SCALE.get(given.dtype, 1)
    waveform = (given.cpu().double() / scale).float()
    if not waveform.isfinite().all():
        raise AudioError("the sound holds NaN or infinity")

    def back(made: Tensor) -> Sound:
        shaped = made.reshape(given.shape) if given.ndim == 1 else made
        if scale > 1:
            steps = (shaped.double() * scale).round().clamp(-scale, scale - 1)
            shaped = steps.to(given.dtype)
        shaped = shaped.to(given.dtype).to(given.device)
        return shaped.numpy() if is_numpy else shaped  # type: ignore[return-value]

    return Audio(waveform.reshape(-1, waveform.shape[-1]), sample_rate), back


def _check(sound: Tensor, sample_rate: int) -> None:
    """Raise `AudioError` for what cannot be a sound."""
    shape = tuple(sound.shape)
    if sound.ndim not in (1, 2) or not sound.numel():
        raise AudioError(f"shape {shape}: [samples] or [channels, samples] is wanted")
    if sound.ndim == 2 and shape[0] > MOST_CHANNELS:
        raise AudioError(f"shape {shape}: channels come first; pass its transpose")
    if not sound.dtype.is_floating_point and sound.dtype not in _FULL_SCALE:
        raise AudioError(f"{sound.dtype}: floats in -1..1, int16 or int32 are wanted")
    if not isinstance(sample_rate, int) or sample_rate < 1:
        raise AudioError(f"sample_rate={sample_rate!r} must be a whole number of Hz")
