"""Sounds come back in the form in which they were given, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from speechclean.audio.arrays import MOST_CHANNELS, as_audio
from speechclean.audio.waveform import AudioError

NOISE = np.random.default_rng(0).uniform(-1, 1, (2, 100))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int16])
@pytest.mark.parametrize("channels", [None, 1, 2])
@pytest.mark.parametrize("as_torch", [False, True])
def test_there_and_back(dtype: type, channels: int | None, as_torch: bool) -> None:
    scale = 32767 if dtype is np.int16 else 1
    sound = (NOISE[0] if channels is None else NOISE[:channels]) * scale
    given: Any = torch.from_numpy(sound.astype(dtype)) if as_torch else sound.astype(dtype)
    audio, back = as_audio(given, 24000)
    assert (audio.channels, audio.samples, audio.sample_rate) == (channels or 1, 100, 24000)
    assert audio.waveform.abs().max() <= 1
    returned = back(audio.waveform)
    assert type(returned) is type(given)
    assert returned.dtype == given.dtype
    assert returned.shape == given.shape
    assert (returned == given).all()


def test_integers_are_rounded_and_clipped() -> None:
    _, back = as_audio(np.zeros(4, np.int16), 8000)
    made = back(torch.tensor([[1.5, -1.5, 0.6 / 32768, -0.6 / 32768]]))
    assert made.tolist() == [32767, -32768, 1, -1]


def test_a_part_of_an_array_and_one_that_needs_a_gradient() -> None:
    audio, back = as_audio(NOISE[:, ::-2].astype(np.float32), 8000)
    assert torch.equal(torch.from_numpy(back(audio.waveform)), audio.waveform)
    tensor = torch.zeros(1, 8, requires_grad=True)
    audio, back_to_torch = as_audio(tensor, 8000)
    assert not back_to_torch(audio.waveform).requires_grad


@pytest.mark.parametrize(
    ("sound", "said"),
    [
        (np.zeros((100, 2, 3)), r"\(100, 2, 3\)"),
        (np.zeros((MOST_CHANNELS + 1, 2)), "channels come first"),
        (np.zeros(0), r"\(0,\)"),
        (np.array([0, np.nan]), "NaN"),
        (np.array([1e300]), "infinity"),
        (np.zeros(4, np.uint8), "uint8"),
        (np.zeros(4, np.complex64), "complex64"),
    ],
)
def test_what_is_no_sound(sound: np.ndarray, said: str) -> None:
    with pytest.raises(AudioError, match=said):
        as_audio(sound, 24000)


@pytest.mark.parametrize("rate", [0, -1, 24000.5, "24000"])
def test_what_is_no_rate(rate: int) -> None:
    with pytest.raises(AudioError, match="sample_rate"):
        as_audio(np.zeros(4), rate)


def test_a_list_is_no_array() -> None:
    with pytest.raises(TypeError, match="list"):
        as_audio([0.0, 1.0], 24000)  # type: ignore[type-var]
