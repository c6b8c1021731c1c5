"""The front and the back of DeepFilterNet: what goes in comes out, bands and means as published."""

from __future__ import annotations

import math

import pytest
import torch

from speechclean.networks.deepfilternet import features
from tests.conftest import noise, tone


def test_what_is_analysed_is_synthesised() -> None:
    """Half a window at either end is under one window alone."""
    waveform = noise(1.0, 48000, channels=2).waveform
    sound, tail = features.overlap_add(features.spectrum(waveform), torch.zeros(2, features.HOP))
    assert sound.shape[-1] + tail.shape[-1] == waveform.shape[-1]
    inner = slice(features.HOP, sound.shape[-1])
    assert (sound - waveform[:, : sound.shape[-1]])[:, inner].abs().max() < 1e-6


def test_stretches_of_frames_join() -> None:
    frames = features.spectrum(noise(0.5, 48000).waveform)
    whole, end = features.overlap_add(frames, torch.zeros(1, features.HOP))
    one, tail = features.overlap_add(frames[:, :17], torch.zeros(1, features.HOP))
    other, last = features.overlap_add(frames[:, 17:], tail)
    assert torch.equal(torch.cat([one, other], -1), whole)
    assert torch.equal(last, end)


def test_a_frame_is_centred_on_its_hop() -> None:
    """A click on the first sample of hop 5 is heard by frames 4 to 6, loudest by 5."""
    waveform = torch.zeros(1, 12 * features.HOP)
    waveform[0, 6 * features.HOP] = 1  # the waveform begins one hop before frame 0
    power = features.spectrum(waveform).abs().square().sum(-1)[0]
    assert power.argmax() == 5
    assert power[5] > 100 * power[torch.arange(len(power)) != 5].max()


def test_bands_are_those_of_the_published_model() -> None:
    """The 32 widths of libDF at 48 kHz, 20 ms and 2 bins at least, which its users print."""
    assert features.band_widths() == (
        *(2,) * 13, 5, 5, 7, 7, 8, 10, 12, 13, 15, 18, 20, 24, 28, 31, 37, 42, 50, 56, 67,
    )  # fmt: skip


def test_a_tone_is_in_its_band() -> None:
    """1 kHz is bin 20, the last of the band that begins at bin 20."""
    levels = features.levels(features.spectrum(tone(1000, 0.5, 48000, 0.5).waveform))[0, 10]
    edges = [sum(features.band_widths()[:band]) for band in range(33)]
    assert edges[levels.argmax()] <= 20 < edges[levels.argmax() + 1]
    assert levels.max() - levels[20:].max() > 60
    silent = features.levels(torch.zeros(1, 1, 481, dtype=torch.complex64))
    assert silent.tolist() == [[[pytest.approx(-100)] * 32]]


@pytest.mark.parametrize("frames", [1, 99, 100, 101, 350])
def test_a_running_mean_is_its_definition(frames: int) -> None:
    generator = torch.Generator().manual_seed(0)
    values = 30 * torch.randn(2, frames, 7, generator=generator) - 60
    before = torch.randn(2, 7, generator=generator)
    mean, expected = before.double(), []
    for index in range(frames):
        mean = 0.99 * mean + 0.01 * values[:, index].double()
        expected.append(mean)
    assert torch.allclose(
        features.running_mean(values, before).double(), torch.stack(expected, 1), atol=1e-4
    )


def test_the_factor_is_ten_milliseconds_of_a_second() -> None:
    assert pytest.approx(math.exp(-features.HOP / features.RATE), abs=5e-4) == features.KEPT


def test_gains_of_bands_reach_all_their_bins() -> None:
    bins = features.of_bins(torch.arange(32.0)[None])
    assert bins.shape == (1, features.BINS)
    assert bins.unique(return_counts=True)[1].tolist() == list(features.band_widths())
