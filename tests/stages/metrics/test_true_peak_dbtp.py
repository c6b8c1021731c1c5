"""True peak on tones whose peak lies between the samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import soxr
import torch

from speechclean.audio.loudness import true_peak_dbtp
from speechclean.audio.waveform import Audio
from speechclean.stages.metrics.true_peak_dbtp import TruePeak
from tests.support.values import number


def tone(fraction: float, phase: float = 0.0, samples: int = 48000) -> torch.Tensor:
    """A sine `[1, samples]` of amplitude 1 at `fraction` of the sample rate."""
    return torch.sin(2 * torch.pi * fraction * torch.arange(samples).double() + phase).float()[None]


@pytest.mark.parametrize("rate", [8000, 44100, 48000, 96000])
def test_peak_between_samples_at_a_quarter_of_the_rate(
    separation: Any, track: Any, rate: int
) -> None:
    """Sampled at 45 degrees, every sample is 3 dB below the wave's peak."""
    sound = tone(1 / 4, math.pi / 4)
    assert 20 * math.log10(sound.abs().max()) == pytest.approx(-3.01, abs=0.01)
    assert TruePeak()(separation(sound, rate), track()) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(
    ("fraction", "phase"), [(1 / 6, math.pi / 3), (1 / 8, math.pi / 8), (0.01, 0.0), (1 / 3, 0.2)]
)
def test_tones_of_ebu_tech_3341(fraction: float, phase: float) -> None:
    fade = torch.linspace(0, 1, 2000)
    sound = 0.5 * tone(fraction, phase)
    sound[:, :2000] *= fade
    sound[:, -2000:] *= fade.flip(0)
    assert -0.4 <= number(true_peak_dbtp(Audio(sound, 48000))) + 6.02 <= 0.2
    assert true_peak_dbtp(Audio(sound, 48000), 16) == pytest.approx(-6.02, abs=0.05)


def test_never_below_the_sample_peak(noise: Any) -> None:
    for seed in range(5):
        sound = noise(2, 3000, seed)
        assert number(true_peak_dbtp(Audio(sound, 48000))) >= 20 * math.log10(sound.abs().max())
    click = torch.zeros(1, 1000)
    click[0, 500] = -1
    assert true_peak_dbtp(Audio(click, 48000)) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("samples", [1, 2, 7, 100])
def test_short_sounds_and_edges(samples: int) -> None:
    value = number(true_peak_dbtp(Audio(0.5 * torch.ones(1, samples), 44100)))
    assert -6.03 <= value < -3


def test_chunks_leave_no_seam(noise: Any) -> None:
    """21 s go through in three chunks, and read what one pass over the whole reads."""
    for sound in (noise(2, 8000 * 21), 0.5 * tone(1 / 4, math.pi / 4, 8000 * 21)):
        whole = soxr.resample(sound.T.numpy(), 8000, 32000, quality="HQ")
        assert true_peak_dbtp(Audio(sound, 8000)) == pytest.approx(
            20 * math.log10(np.abs(whole).max()), abs=1e-3
        )


def test_loudest_channel_counts_and_gain_adds() -> None:
    sound = torch.cat([0.1 * tone(1 / 4, math.pi / 4), tone(1 / 4, math.pi / 4)])
    both, half = (number(true_peak_dbtp(Audio(gain * sound, 48000))) for gain in (1.0, 0.5))
    assert both == pytest.approx(true_peak_dbtp(Audio(sound[1:], 48000)))
    assert both - half == pytest.approx(6.02, abs=0.01)


def test_silence_nothing_and_nan_have_none(separation: Any, track: Any) -> None:
    assert TruePeak()(separation(torch.zeros(2, 16000)), track()) is None
    assert true_peak_dbtp(Audio(torch.zeros(1, 0), 48000)) is None
    assert true_peak_dbtp(Audio(torch.full((1, 100), math.nan), 48000)) is None


@pytest.mark.parametrize("oversampling", [3, 0, -4])
def test_bad_arguments(oversampling: int) -> None:
    with pytest.raises(ValueError, match="oversampling must be at least 4"):
        TruePeak(oversampling)
    with pytest.raises(ValueError, match="oversampling must be at least 4"):
        true_peak_dbtp(Audio(torch.ones(1, 100), 48000), oversampling)
