"""The STFT pair inverts, masks stay masks, and no band is cut that a model could not hear."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechclean.audio.stft import apply_mask, extend_mask, istft, ratio_mask, stft, window_length
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
