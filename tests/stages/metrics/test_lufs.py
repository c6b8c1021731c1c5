"""Loudness against the standard's own numbers, EBU Tech 3341, and a second implementation of
BS.1770-4."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from speechclean.audio.loudness import integrated_lufs
from speechclean.audio.waveform import Audio
from speechclean.stages.metrics.lufs import Lufs
from tests.support.values import number


def tone(seconds: float, db: float = 0.0, rate: int = 48000, hz: float = 997.0) -> torch.Tensor:
    """A sine `[1, samples]` with its peak at `db` dBFS."""
    return (
        10 ** (db / 20)
        * torch.sin(
            2 * torch.pi * hz * torch.arange(round(seconds * rate)).double() / rate
        ).float()[None]
    )


def in_numpy(frames: np.ndarray) -> float:
    """BS.1770-4 at 48 kHz for mono or stereo `[channels, samples]`, with the coefficients that the
    standard prints."""
    shelf = (
        [1.53512485958697, -2.69169618940638, 1.19839281085285],
        [1.0, -1.69065929318241, 0.73248077421585],
    )
    high_pass = [1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621]
    weighted = lfilter(*high_pass, lfilter(*shelf, frames))
    blocks = np.array(
        [
            np.square(weighted[:, i : i + 19200]).mean(1).sum()
            for i in range(0, frames.shape[1] - 19199, 4800)
        ]
    )
    level = -0.691 + 10 * np.log10(blocks)
    loud = blocks[level >= -70]
    gate = -0.691 + 10 * math.log10(loud.mean()) - 10
    return -0.691 + 10 * math.log10(blocks[(level >= -70) & (level > gate)].mean())


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100, 48000, 96000])
def test_full_scale_sine_reads_minus_3_01(separation: Any, track: Any, rate: int) -> None:
    value = Lufs()(separation(tone(2, rate=rate), rate), track())
    assert value == pytest.approx(-3.01, abs=0.05)


def test_ebu_tech_3341_stereo_and_gate(separation: Any, track: Any) -> None:
    steady = tone(5, -23, hz=1000)
    assert Lufs()(separation(steady.repeat(2, 1), 48000), track()) == pytest.approx(-23, abs=0.1)
    gated = torch.cat([tone(10, -36, hz=1000), tone(60, -23, hz=1000), tone(10, -36, hz=1000)], 1)
    assert integrated_lufs(Audio(gated.repeat(2, 1), 48000)) == pytest.approx(-23, abs=0.1)


def test_ebu_tech_3341_surround() -> None:
    levels = (-28.0, -28.0, -24.0, -30.0, -30.0)
    surround = torch.cat([tone(5, db, hz=1000) for db in levels])
    assert integrated_lufs(Audio(surround, 48000)) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("channels", [1, 2])
def test_agrees_with_a_second_implementation(noise: Any, channels: int) -> None:
    envelope = torch.linspace(0, 1, 100000).square()
    sound = noise(channels, 100000) * envelope
    assert integrated_lufs(Audio(sound, 48000)) == pytest.approx(
        in_numpy(sound.double().numpy()), abs=0.01
    )


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.25, 0.399, 0.4, 0.401, 0.449, 0.46, 0.55, 1.0])
@pytest.mark.parametrize("rate", [11025, 44100, 48000])
def test_a_steady_tone_reads_the_same_however_short(seconds: float, rate: int) -> None:
    assert integrated_lufs(Audio(tone(seconds, -20, rate), rate)) == pytest.approx(-23.01, abs=0.15)


@pytest.mark.parametrize("channels", [6, 8])
def test_more_than_five_channels_sum_their_powers(channels: int) -> None:
    sound = tone(1, -30).repeat(channels, 1)
    assert integrated_lufs(Audio(sound, 48000)) == pytest.approx(
        -33.01 + 10 * math.log10(channels), abs=0.01
    )
    sound[1:] = 0
    assert integrated_lufs(Audio(sound, 48000)) == pytest.approx(-33.01, abs=0.01)


def test_gain_moves_it_by_as_much(noise: Any) -> None:
    loud, quiet = (
        number(integrated_lufs(Audio(gain * noise(2, 48000), 48000))) for gain in (1.0, 0.1)
    )
    assert loud - quiet == pytest.approx(20, abs=1e-3)


@pytest.mark.parametrize("samples", [1, 2, 100, 16000])
def test_silence_has_none(separation: Any, track: Any, samples: int) -> None:
    assert Lufs()(separation(torch.zeros(2, samples)), track()) is None
    assert integrated_lufs(Audio(1e-6 * tone(1), 48000)) is None
    assert integrated_lufs(Audio(torch.zeros(8, samples), 16000)) is None


def test_nothing_and_nan_have_none() -> None:
    assert integrated_lufs(Audio(torch.zeros(1, 0), 48000)) is None
    assert integrated_lufs(Audio(torch.full((1, 48000), math.nan), 48000)) is None


def test_any_length_is_measured_or_none(noise: Any) -> None:
    for samples in [*range(1, 40), 4409, 4410, 17639, 17640, 17641]:
        value = integrated_lufs(Audio(noise(1, samples), 44100))
        assert value is None or math.isfinite(value)
