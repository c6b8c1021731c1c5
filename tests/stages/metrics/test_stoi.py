"""STOI: perfect, worse with more noise, and no value where pystoi has none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from speechclean.audio.waveform import Audio
from speechclean.stages.metrics.stoi import Stoi
from tests.support.values import number


@pytest.fixture
def speech(noise: Any) -> torch.Tensor:
    """Noise with a syllable-like rhythm of 4 Hz: `[1, 32000]`, 2 s at 16 kHz."""
    t = torch.arange(32000.0) / 16000
    return noise(1, 32000) * (0.05 + torch.sin(torch.pi * 4 * t).square())


@pytest.mark.parametrize("extended", [False, True])
def test_a_copy_is_understood_and_noise_is_not(
    separation: Any, track: Any, noise: Any, speech: Any, extended: bool
) -> None:
    reference, stoi = track(Audio(speech, 16000)), Stoi(extended)
    assert stoi(separation(0.1 * speech), reference) == pytest.approx(1, abs=1e-3)
    values = [
        number(stoi(separation(speech + gain * noise(1, 32000, seed=1)), reference))
        for gain in (0.1, 0.5, 2.0)
    ]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.6


@pytest.mark.parametrize("extended", [False, True])
def test_agrees_with_pystoi_and_leaves_numpys_generator_alone(
    separation: Any, track: Any, noise: Any, speech: Any, extended: bool
) -> None:
    from pystoi import stoi

    estimate = speech + 0.5 * noise(1, 32000, seed=1)
    expected = stoi(
        speech[0].numpy().astype(float), estimate[0].numpy().astype(float), 16000, extended
    )
    before = np.random.get_state(legacy=False)["state"]["key"].copy()
    assert Stoi(extended)(separation(estimate), track(Audio(speech, 16000))) == pytest.approx(
        expected, abs=1e-6
    )
    assert np.array_equal(np.random.get_state(legacy=False)["state"]["key"], before)


def test_channels_are_averaged(separation: Any, track: Any, noise: Any, speech: Any) -> None:
    side = 0.5 * noise(1, 32000, seed=1)
    stereo = torch.cat([speech + side, speech - side])
    assert Stoi()(separation(stereo), track(Audio(speech, 16000))) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("extended", [False, True])
def test_a_silent_estimate_is_not_understood(
    separation: Any, track: Any, speech: Any, extended: bool
) -> None:
    assert Stoi(extended)(separation(torch.zeros(1, 32000)), track(Audio(speech, 16000))) == 0


@pytest.mark.parametrize("seconds", [0.0005, 0.02, 0.1, 0.35])
def test_too_little_speech_has_no_value(
    separation: Any, track: Any, noise: Any, seconds: float
) -> None:
    short = noise(1, round(16000 * seconds))
    assert Stoi()(separation(short, mask=torch.ones(1, 257, 1)), track(Audio(short, 16000))) is None


def test_short_speech_in_a_long_silence_has_no_value(
    separation: Any, track: Any, noise: Any
) -> None:
    reference = torch.nn.functional.pad(noise(1, 4000), (20000, 20000))
    assert Stoi()(separation(noise(1, 44000)), track(Audio(reference, 16000))) is None


def test_does_not_apply(separation: Any, track: Any, speech: Any) -> None:
    assert Stoi()(separation(speech), track()) is None
    assert Stoi()(separation(speech), track(Audio(torch.zeros(1, 32000), 16000))) is None
    assert Stoi()(separation(torch.full((1, 32000), math.nan)), track(Audio(speech, 16000))) is None
