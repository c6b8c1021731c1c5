"""Bringing the reference to the shape of what is judged."""

from __future__ import annotations

import pytest
import torch

from speechclean.audio.waveform import Audio, AudioError
from speechclean.stages.metrics.reference import aligned_reference


@pytest.mark.parametrize("difference", [-70, -1, 0, 1, 70])
def test_a_few_milliseconds_are_cut_or_padded(separation, track, noise, difference: int) -> None:
    aligned = aligned_reference(
        separation(noise()), track(Audio(noise(1, 16000 + difference), 16000))
    )
    assert aligned is not None
    assert aligned.waveform.shape == (1, 16000)


def test_more_is_an_error_that_names_the_clip(separation, track, noise) -> None:
    with pytest.raises(
        AudioError, match=r"clip: the reference lasts 1\.500 s and the mixture 1\.000 s; cut both"
    ):
        aligned_reference(separation(noise()), track(Audio(noise(1, 24000), 16000)))


def test_channels(separation, track, noise) -> None:
    stereo = Audio(noise(2), 16000)
    aligned = aligned_reference(separation(noise()), track(stereo))
    assert aligned is not None
    assert torch.equal(aligned.waveform, stereo.mono().waveform)
    with pytest.raises(AudioError, match="3 channels and the mixture 2; give a mono reference"):
        aligned_reference(separation(noise(2)), track(Audio(noise(3), 16000)))


def test_reference_is_not_written_into(separation, track, noise) -> None:
    reference = Audio(noise(), 16000)
    aligned_reference(separation(noise(2)), track(reference))
    assert torch.equal(reference.waveform, noise())
