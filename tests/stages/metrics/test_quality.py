"""PESQ, ESTOI, log-spectral distance, bandwidth: values by hand or by a second implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pesq
import pystoi
import pytest
import torch

from speechclean.audio.waveform import Audio, resample
from speechclean.stages.metrics.bandwidth_hz import Bandwidth
from speechclean.stages.metrics.estoi import Estoi
from speechclean.stages.metrics.lsd import Lsd
from speechclean.stages.metrics.pesq import Pesq
from speechclean.stages.types import Separation, Track
from tests.support.values import number


@pytest.fixture(scope="module")
def clip(pilot: list[tuple[Separation, Track]]) -> tuple[Audio, Audio]:
    """One pilot clip, mono at 16 kHz: mixture and reference."""
    judged, track = pilot[0]
    assert track.reference is not None
    return resample(judged.mixture.mono(), 16000), resample(track.reference.mono(), 16000)


def test_pesq_is_the_packages_and_level_does_not_count(
    clip: tuple[Audio, Audio], separation: Any, track: Any
) -> None:
    mixture, reference = clip
    n = min(mixture.samples, reference.samples)
    clean = track(reference.with_waveform(reference.waveform[:, :n]))
    value = Pesq()(separation(mixture.waveform[:, :n]), clean)
    direct = pesq.pesq(
        16000, reference.waveform[0, :n].numpy(), mixture.waveform[0, :n].numpy(), "wb"
    )
    assert value == pytest.approx(direct, abs=0.02)
    assert Pesq()(separation(0.1 * mixture.waveform[:, :n]), clean) == pytest.approx(
        value, abs=0.02
    )
    assert Pesq()(separation(clean.reference.waveform), clean) == pytest.approx(4.64, abs=0.01)


def test_pesq_does_not_apply(separation: Any, track: Any, noise: Any) -> None:
    assert Pesq()(separation(noise()), track()) is None
    assert Pesq()(separation(noise(samples=2000)), track(Audio(noise(samples=2000), 16000))) is None
    assert Pesq()(separation(torch.zeros(1, 16000)), track(Audio(noise(), 16000))) is None
    assert (
        Pesq(longest_s=1)(
            separation(noise(samples=17000)), track(Audio(noise(samples=17000), 16000))
        )
        is None
    )


def test_estoi_is_pystois(clip: tuple[Audio, Audio], separation: Any, track: Any) -> None:
    mixture, reference = clip
    n = min(mixture.samples, reference.samples)
    value = Estoi()(
        separation(mixture.waveform[:, :n]),
        track(reference.with_waveform(reference.waveform[:, :n])),
    )
    direct = pystoi.stoi(
        reference.waveform[0, :n].numpy(), mixture.waveform[0, :n].numpy(), 16000, extended=True
    )
    assert value == pytest.approx(direct, abs=1e-4)


def test_lsd_by_hand(separation: Any, track: Any, noise: Any) -> None:
    """Twice the upper half of the spectrum is 6.02 dB there: a that is what is left once the level
    is matched out."""
    reference = track(Audio(noise(), 16000))
    assert Lsd()(separation(noise()), reference) == pytest.approx(0, abs=1e-9)
    assert Lsd()(separation(-3 * noise()), reference) == pytest.approx(0, abs=1e-4)
    spectrum = torch.fft.rfft(noise().double())
    spectrum[:, spectrum.shape[1] // 2 :] *= 2
    shelved = torch.fft.irfft(spectrum, 16000).float()
    # With g on the lower and 2g on the upper half, least squares gives g = (1 + 2) / (1 + 4) of the
    # reference.
    lower, upper = 20 * np.log10(3 / 5), 20 * np.log10(6 / 5)
    expected = np.sqrt((lower**2 + upper**2) / 2)
    assert Lsd()(separation(shelved), reference) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("edge", [1000.0, 2500.0, 4000.0, 7500.0])
def test_bandwidth_finds_the_edge(separation: Any, track: Any, noise: Any, edge: float) -> None:
    spectrum = torch.fft.rfft(noise().double())
    spectrum[:, round(edge) :] = 0
    found = number(Bandwidth()(separation(torch.fft.irfft(spectrum, 16000).float()), track()))
    assert edge * 0.98 <= found <= edge * 2 ** (1 / 6) * 1.01
    assert Bandwidth()(separation(noise()), track()) == 8000
    assert Bandwidth()(separation(torch.zeros(1, 16000)), track()) is None
