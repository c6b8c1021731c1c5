"""Music to speech on two tones and masks made by hand."""

from __future__ import annotations

import math

import pytest
import torch

from speechclean.audio import stft
from speechclean.stages.metrics.music_to_speech_db import MusicToSpeech

N_FFT = 512


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A voice of 1 kHz, music of 5 kHz half as high, and the mask that splits them at 3 kHz; 1 s at
    16 kHz, mono."""
    t = torch.arange(16000.0) / 16000
    voice, music = (
        torch.sin(2 * torch.pi * 1000 * t)[None],
        0.5 * torch.sin(2 * torch.pi * 5000 * t)[None],
    )
    mask = torch.zeros_like(stft.stft(voice, N_FFT).real)
    mask[:, : 3000 * N_FFT // 16000] = 1
    return voice, music, mask


@pytest.mark.parametrize(("kept", "expected"), [(1.0, -6.02), (0.1, -26.02), (10.0, 13.98)])
def test_two_tones_under_a_hard_mask(separation, track, pair, kept: float, expected: float) -> None:
    voice, music, mask = pair
    value = MusicToSpeech()(
        separation(voice + kept * music, mixture=voice + music, mask=mask), track()
    )
    assert value == pytest.approx(expected, abs=0.05)


def test_soft_mask_by_hand(separation, track, noise) -> None:
    """Where the mask is 0.8 everywhere, any signal divides 0.2 to 0.8."""
    mask = torch.full_like(stft.stft(noise(2), N_FFT).real, 0.8)
    assert MusicToSpeech()(separation(noise(2), mask=mask), track()) == pytest.approx(
        10 * math.log10(0.25), abs=1e-4
    )


def test_agrees_with_the_formula(separation, track, noise) -> None:
    power = stft.stft(noise(2), N_FFT).abs().double().square()
    mask = torch.rand(power.shape, generator=torch.Generator().manual_seed(1))
    expected = 10 * math.log10(((1 - mask) * power).sum() / (mask * power).sum())
    assert MusicToSpeech()(separation(noise(2), mask=mask), track()) == pytest.approx(
        expected, abs=1e-4
    )


def test_level_does_not_count(separation, track, pair) -> None:
    voice, music, mask = pair
    loud, quiet = (
        MusicToSpeech()(separation(gain * (voice + music), mask=mask), track())
        for gain in (1.0, 1e-3)
    )
    assert loud == pytest.approx(quiet, abs=1e-3)


def test_stereo_of_two_equal_channels_reads_as_mono(separation, track, pair) -> None:
    voice, music, mask = pair
    mono = MusicToSpeech()(separation(voice + music, mask=mask), track())
    stereo = MusicToSpeech()(
        separation((voice + music).repeat(2, 1), mask=mask.repeat(2, 1, 1)), track()
    )
    assert stereo == pytest.approx(mono)


def test_range_is_finite(separation, track, pair) -> None:
    voice, music, mask = pair
    assert (
        MusicToSpeech(cap_db=5)(separation(voice, mixture=voice + music, mask=mask), track()) == -5
    )
    assert (
        MusicToSpeech(cap_db=5)(separation(music, mixture=voice + music, mask=mask), track()) == 5
    )


def test_does_not_apply_to_silence_or_one_sided_masks(separation, track, noise) -> None:
    ones = torch.ones_like(stft.stft(noise(), N_FFT).real)
    assert (
        MusicToSpeech()(
            separation(torch.zeros(1, 16000), mixture=noise(), mask=0.5 * ones), track()
        )
        is None
    )
    assert MusicToSpeech()(separation(noise(), mask=ones), track()) is None
    assert MusicToSpeech()(separation(noise(), mask=0 * ones), track()) is None
    assert (
        MusicToSpeech()(separation(torch.full((1, 16000), math.nan), mask=0.5 * ones), track())
        is None
    )


@pytest.mark.parametrize("cap", [0, -100, math.inf])
def test_bad_arguments(cap: float) -> None:
    with pytest.raises(ValueError, match="cap_db must be a positive number"):
        MusicToSpeech(cap_db=cap)
