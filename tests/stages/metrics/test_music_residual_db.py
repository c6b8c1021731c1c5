"""Level in the pauses: by hand with given stretches of speech, and with silero-vad on the pilot."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from speechclean.audio import stft
from speechclean.audio.waveform import Audio
from speechclean.stages.metrics import music_residual_db
from speechclean.stages.metrics.music_residual_db import MusicResidual
from tests.support.values import number

RATE = 16000
Stretches = Callable[[list[tuple[float, float]]], list[Audio]]


@pytest.fixture
def stretches(monkeypatch: pytest.MonkeyPatch) -> Stretches:
    """Stand in for the detector: `stretches([(1.0, 2.0)])`; returns the list of sounds that it was
    asked about."""

    def install(segments: list[tuple[float, float]]) -> list[Audio]:
        heard: list[Audio] = []

        def stand_in(audio: Audio, threshold: float) -> list[tuple[float, float]]:  # noqa: ARG001
            heard.append(audio)
            return segments

        monkeypatch.setattr(music_residual_db, "speech_segments", stand_in)
        return heard

    return install


def levels(*parts: tuple[float, float], channels: int = 1) -> torch.Tensor:
    """Square waves (their power is their amplitude squared), given as (seconds, amplitude):
    `[channels, samples]`."""
    sound = torch.cat(
        [torch.full((round(seconds * RATE),), float(amplitude)) for seconds, amplitude in parts]
    )
    sound[1::2] *= -1
    return sound.repeat(channels, 1)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_ratio_by_hand(
    separation: Any, track: Any, stretches: Stretches, channels: int, gain: float
) -> None:
    stretches([(1.0, 2.0)])
    sound = gain * levels((1, 0.05), (1, 0.5), (1, 0.05), channels=channels)
    assert MusicResidual()(separation(sound), track()) == pytest.approx(-20, abs=1e-3)


def test_guard_belongs_to_neither_side(separation: Any, track: Any, stretches: Stretches) -> None:
    stretches([(1.0, 2.0)])
    sound = levels((0.9, 0.05), (0.1, 0.9), (1, 0.5), (0.1, 0.9), (0.9, 0.05))
    assert MusicResidual(guard_s=0.1)(separation(sound), track()) == pytest.approx(-20, abs=1e-3)
    assert number(MusicResidual(guard_s=0.0)(separation(sound), track())) > -10


@pytest.mark.parametrize(("pause_s", "applies"), [(0.29, False), (0.31, True)])
def test_needs_enough_pause_in_all(
    separation: Any, track: Any, stretches: Stretches, pause_s: float, applies: bool
) -> None:
    # guard of 0.2 s, half the pause before and half after
    stretches([(0.2 + pause_s / 2, 1.2 + pause_s / 2)])
    value = MusicResidual(guard_s=0.2)(separation(levels((1.4 + pause_s, 0.5))), track())
    assert (value is not None) == applies


def test_digital_silence_in_the_pauses_reads_the_floor(
    separation: Any, track: Any, stretches: Stretches
) -> None:
    stretches([(1.0, 2.0)])
    sound = levels((1, 0), (1, 0.5), (1, 0))
    assert MusicResidual()(separation(sound), track()) == -100
    assert MusicResidual(floor_db=-60)(separation(sound + levels((3, 1e-6))), track()) == -60


def test_does_not_apply(separation: Any, track: Any, stretches: Stretches) -> None:
    stretches([(1.0, 2.0)])
    assert MusicResidual()(separation(levels((1, 0.1), (1, 0), (1, 0.1))), track()) is None
    assert (
        MusicResidual()(
            separation(torch.full((1, 3 * RATE), math.nan), mixture=levels((3, 0.5))), track()
        )
        is None
    )
    stretches([])
    assert MusicResidual()(separation(levels((3, 0.5))), track()) is None
    stretches([(0.0, 3.0)])
    assert MusicResidual()(separation(levels((3, 0.5))), track()) is None


def test_listens_to_the_reference_else_to_the_masked_mixture(
    separation: Any, track: Any, stretches: Stretches, noise: Any
) -> None:
    heard = stretches([(1.0, 2.0)])
    mixture = noise(1, 3 * RATE)
    mask = torch.full_like(stft.stft(mixture, 512).real, 0.25)
    state = separation(0.5 * mixture, mixture=mixture, mask=mask)
    reference = Audio(noise(1, 3 * RATE, seed=1), RATE)
    for judged in (state, state.before()):
        MusicResidual()(judged, track(reference))
        MusicResidual()(judged, track())
    assert all(torch.equal(heard[i].waveform, reference.waveform) for i in (0, 2))
    assert all(torch.allclose(heard[i].waveform, 0.25 * mixture, atol=1e-6) for i in (1, 3))


def test_silence_has_none(separation: Any, track: Any) -> None:
    silent = torch.zeros(1, RATE)
    assert MusicResidual()(separation(silent), track()) is None
    assert MusicResidual()(separation(levels((1, 0.5))), track(Audio(silent, RATE))) is None


@pytest.mark.parametrize(
    ("knob", "message"),
    [
        ({"threshold": 0.0}, "threshold must lie between 0 and 1"),
        ({"threshold": 1.0}, "threshold must lie between 0 and 1"),
        ({"guard_s": -0.1}, "guard_s must be 0 s or more"),
        ({"min_pause_s": 0.0}, "min_pause_s must be more than 0 s"),
        ({"floor_db": 0.0}, "floor_db must be a negative number"),
        ({"floor_db": -math.inf}, "floor_db must be a negative number"),
    ],
)
def test_bad_arguments(knob: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MusicResidual(**knob)


def test_pilot_lead_ins_lose_their_music(pilot: Any) -> None:
    for separation, track in pilot:
        before, after = (
            MusicResidual()(separation.before(), track),
            MusicResidual()(separation, track),
        )
        if before is not None:  # some clips hold no pause
            assert number(after) < before - 10, track.alias
    assert any(
        MusicResidual()(separation.before(), track) is not None for separation, track in pilot
    )
