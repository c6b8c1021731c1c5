"""The STFT pair inverts, masks stay masks, and no band is cut that a model could not hear."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechclean.audio.stft import (
    apply_mask,
    extend_mask,
    gain_mask,
    istft,
    ratio_mask,
    stft,
    window_length,
)
from tests.conftest import level_db, noise, tone


@pytest.mark.parametrize("samples", [1, 7, 511, 24000, 24001])
@pytest.mark.parametrize("n_fft", [512, 2048])
def test_round_trip(samples: int, n_fft: int) -> None:
    waveform = torch.randn(2, samples)
    assert (istft(stft(waveform, n_fft), samples) - waveform).abs().max() < 1e-5


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1e4), st.floats(0, 1e4))
def test_ratio_mask_is_a_mask(speech: float, music: float) -> None:
    mask = ratio_mask(torch.tensor([[speech]]), torch.tensor([[music]]))
    assert 0 <= mask.item() <= 1


def test_ratio_mask_by_hand() -> None:
    speech, music = torch.tensor([3.0, 0.0, 2.0, 0.0]), torch.tensor([4.0, 1.0, 0.0, 0.0])
    assert torch.allclose(ratio_mask(speech, music), torch.tensor([9 / 25, 0.0, 1.0, 0.0]))
    swapped = ratio_mask(speech[:3], music[:3]) + ratio_mask(music[:3], speech[:3])
    assert torch.allclose(swapped, torch.ones(3))


def test_the_exponent_by_hand() -> None:
    """The voice three quarters as loud as the music: 3/7 of magnitudes, 9/25 of powers."""
    speech, music = torch.tensor([3.0, 0.0, 2.0, 0.0]), torch.tensor([4.0, 1.0, 0.0, 0.0])
    for exponent, first in {1: 3 / 7, 2: 9 / 25, 3: 27 / 91}.items():
        mask = ratio_mask(speech, music, exponent=exponent)
        assert torch.allclose(mask, torch.tensor([first, 0.0, 1.0, 0.0]), atol=1e-4)


def test_eps_is_the_same_level_whatever_the_exponent() -> None:
    """Speech as strong as eps, alone, is halved."""
    for exponent in (0.5, 1.0, 2.0, 3.0):
        mask = ratio_mask(torch.tensor([1e-3]), torch.tensor([0.0]), 1e-6, exponent)
        assert mask.item() == pytest.approx(0.5, abs=1e-6)


LEVELS = st.floats(0, 1e6) | st.floats(0, 1e-4)


@settings(max_examples=200, deadline=None)
@given(LEVELS, LEVELS, st.floats(0.05, 40), st.floats(0.05, 40))
def test_a_higher_exponent_only_sharpens(
    speech: float, music: float, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    voice, rest = torch.tensor([speech]), torch.tensor([music])
    soft, hard = (ratio_mask(voice, rest, 1e-12, p).item() for p in (low, high))
    assert 0 <= soft <= 1
    assert 0 <= hard <= 1
    assert hard >= soft - 1e-6 if speech > music else hard <= soft + 1e-6


@pytest.mark.parametrize("eps", [1e-10, 1e-4])
def test_a_gain_by_hand(eps: float) -> None:
    speech, mixture = torch.tensor([1.0, 0.0, 6.0, 0.0]), torch.tensor([4.0, 2.0, 3.0, 0.0])
    found = gain_mask(speech, mixture, eps)
    assert torch.allclose(found, torch.tensor([0.25, 0.0, 1.0, 0.0]), atol=1e-4)


def test_complex_and_magnitude_agree() -> None:
    spectrum, other = stft(noise().waveform, 512), stft(noise(seed=1).waveform, 512)
    assert torch.allclose(
        ratio_mask(spectrum, other), ratio_mask(spectrum.abs(), other.abs()), atol=1e-5
    )


def test_masking_a_tone_out_leaves_the_other() -> None:
    keep, kill = tone(500), tone(6000)
    mask = torch.ones(1, 1025, stft(keep.waveform, 2048).shape[-1])
    mask[:, 400:] = 0
    left = apply_mask(keep.waveform + kill.waveform, mask)[:, 3000:-3000]
    assert level_db(left - keep.waveform[:, 3000:-3000]) < -70


def test_band_above_what_was_heard_gets_the_mean_of_the_octave_below() -> None:
    mask = torch.rand(2, 1025, 9)
    extended = extend_mask(mask, 48000, 12000)
    assert torch.equal(extended[:, :512], mask[:, :512])
    assert torch.allclose(
        extended[:, 512:], mask[:, 256:512].mean(1, keepdim=True).expand(2, 513, 9)
    )
    assert torch.equal(extend_mask(mask, 24000, 12000), mask)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(8000, 512), (22050, 2048), (24000, 2048), (44100, 4096), (192000, 16384)],
)
def test_window_follows_the_rate(rate: int, expected: int) -> None:
    assert window_length(rate, 0.085) == expected
