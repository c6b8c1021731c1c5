"""SI-SDR against the formula in numpy, constructions with a known answer, and the edges of its
range."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechclean.audio.waveform import Audio, resample
from speechclean.stages.metrics.si_sdr import SiSdr, si_sdr
from tests.support.values import number


def in_numpy(estimate: torch.Tensor, reference: torch.Tensor) -> float:
    e, s = (x.numpy().astype(np.float64) for x in (estimate, reference))
    e, s = (x - x.mean(axis=1, keepdims=True) for x in (e, s))
    scaled = (e * s).sum() / (s * s).sum() * s
    return 10 * math.log10((scaled**2).sum() / ((scaled - e) ** 2).sum())


@pytest.mark.parametrize("db", [-12.0, 0.0, 7.5, 40.0])
def test_orthogonal_noise_gives_its_own_level(separation: Any, track: Any, db: float) -> None:
    t = torch.arange(16000.0) / 16000
    tone, other = torch.sin(2 * torch.pi * 200 * t)[None], torch.sin(2 * torch.pi * 300 * t)[None]
    value = SiSdr()(separation(tone + 10 ** (-db / 20) * other), track(Audio(tone, 16000)))
    assert value == pytest.approx(db, abs=0.01)


def test_agrees_with_numpy(separation: Any, track: Any, noise: Any) -> None:
    reference, estimate = noise(2, seed=1), noise(2, seed=1) + 0.3 * noise(2, seed=2) + 0.05
    assert SiSdr()(separation(estimate), track(Audio(reference, 16000))) == pytest.approx(
        in_numpy(estimate, reference)
    )


@settings(max_examples=30, deadline=None)
@given(gain=st.floats(1e-3, 1e3), offset=st.floats(-0.5, 0.5), seed=st.integers(0, 999))
def test_neither_level_nor_offset_nor_sign_of_scale_counts(
    gain: float, offset: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    reference = torch.randn(1, 800, generator=generator).double()
    estimate = reference + torch.randn(1, 800, generator=generator).double()
    assert si_sdr(gain * estimate + offset, reference) == pytest.approx(
        si_sdr(estimate, reference), abs=1e-6
    )
    assert si_sdr(-gain * estimate, reference) == pytest.approx(
        si_sdr(estimate, reference), abs=1e-6
    )


def test_ends_of_the_range_are_finite(separation: Any, track: Any, noise: Any) -> None:
    reference = track(Audio(noise(), 16000))
    assert SiSdr()(separation(noise()), reference) == 100
    assert SiSdr(cap_db=60)(separation(0.5 * noise()), reference) == 60
    assert SiSdr()(separation(torch.zeros(1, 16000)), reference) == -100
    assert SiSdr()(separation(torch.full((1, 16000), math.nan)), reference) is None


def test_channels_share_one_scale(separation: Any, track: Any, noise: Any) -> None:
    """A wrong balance is a distortion, and a channel that is silent in both does no harm."""
    reference = noise(2)
    tilted = reference * torch.tensor([[1.0], [0.5]])
    assert number(SiSdr()(separation(tilted), track(Audio(reference, 16000)))) < 15
    half = reference * torch.tensor([[1.0], [0.0]])
    assert SiSdr()(separation(half), track(Audio(half, 16000))) == 100


def test_mono_reference_stands_for_every_channel(separation: Any, track: Any, noise: Any) -> None:
    estimate = noise().repeat(2, 1) + 0.1 * noise(2, seed=5)
    mono, stereo = track(Audio(noise(), 16000)), track(Audio(noise().repeat(2, 1), 16000))
    assert SiSdr()(separation(estimate), mono) == SiSdr()(separation(estimate), stereo)


def test_reference_at_another_rate(separation: Any, track: Any) -> None:
    t = torch.arange(48000.0) / 48000
    tone = (torch.sin(2 * torch.pi * 440 * t) * torch.sin(torch.pi * t).square())[None]
    estimate = resample(Audio(tone, 48000), 16000).waveform
    assert number(SiSdr()(separation(estimate), track(Audio(tone, 48000)))) > 90


def test_does_not_apply_without_reference_or_with_silence(
    separation: Any, track: Any, noise: Any
) -> None:
    assert SiSdr()(separation(noise()), track()) is None
    assert SiSdr()(separation(noise()), track(Audio(torch.zeros(1, 16000), 16000))) is None
    assert SiSdr()(separation(noise()), track(Audio(torch.full((1, 16000), 0.25), 16000))) is None


@pytest.mark.parametrize("cap", [0, -1, math.inf, math.nan])
def test_bad_arguments(cap: float) -> None:
    with pytest.raises(ValueError, match="cap_db must be a positive number"):
        SiSdr(cap_db=cap)
