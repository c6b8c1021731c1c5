"""Bringing the reference to the shape of what is judged."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from speechclean.audio.waveform import Audio, AudioError
from speechclean.stages.metrics.estoi import Estoi
from speechclean.stages.metrics.pesq import Pesq
from speechclean.stages.metrics.reference import aligned_reference, in_mono
from speechclean.stages.metrics.stoi import Stoi
from speechclean.stages.metrics.vad import speech_segments
from speechclean.stages.types import Separation


@pytest.mark.parametrize("difference", [-70, -1, 0, 1, 70])
def test_a_few_milliseconds_are_cut_or_padded(
    separation: Any, track: Any, noise: Any, difference: int
) -> None:
    aligned = aligned_reference(
        separation(noise()), track(Audio(noise(1, 16000 + difference), 16000))
    )
    assert aligned is not None
    assert aligned.waveform.shape == (1, 16000)


def test_more_is_an_error_that_names_the_clip(separation: Any, track: Any, noise: Any) -> None:
    with pytest.raises(
        AudioError, match=r"clip: the reference lasts 1\.500 s and the mixture 1\.000 s; cut both"
    ):
        aligned_reference(separation(noise()), track(Audio(noise(1, 24000), 16000)))


def test_channels(separation: Any, track: Any, noise: Any) -> None:
    stereo = Audio(noise(2), 16000)
    aligned = aligned_reference(separation(noise()), track(stereo))
    assert aligned is not None
    assert torch.equal(aligned.waveform, stereo.mono().waveform)
    with pytest.raises(AudioError, match="3 channels and the mixture 2; give a mono reference"):
        aligned_reference(separation(noise(2)), track(Audio(noise(3), 16000)))


def test_reference_is_not_written_into(separation: Any, track: Any, noise: Any) -> None:
    reference = Audio(noise(), 16000)
    aligned_reference(separation(noise(2)), track(reference))
    assert torch.equal(reference.waveform, noise())


def test_antiphase_stereo_is_judged_as_its_channels_are(pilot: Any) -> None:
    """STOI, ESTOI, PESQ and the VAD gave nothing for it, or 0: its mean is silence."""
    separation, track = pilot[0]
    one = separation.speech.waveform[:1]
    rate = separation.speech.sample_rate
    mask = separation.mask[:1]
    mono, turned = (
        Separation(Audio(wave, rate), Audio(wave, rate), mask)
        for wave in (one, torch.cat([one, -one]))
    )
    for metric in (Stoi(), Estoi(), Pesq()):
        expected = metric(mono, track)
        assert expected is not None
        assert metric(turned, track) == pytest.approx(expected, abs=1e-6)
    assert speech_segments(turned.speech) == speech_segments(mono.speech) != []


def test_a_reference_in_antiphase_and_its_speech_are_mixed_down_alike() -> None:
    clean = torch.randn(1, 1000, generator=torch.Generator().manual_seed(0))
    reference, speech = (
        Audio(torch.cat([-clean, 2 * clean]), 16000),
        Audio(torch.cat([clean, 3 * clean]), 16000),
    )
    for sound, expected in zip(in_mono(reference, speech), (2 * clean, 3 * clean), strict=True):
        assert torch.equal(sound.waveform, expected)
