"""The floor gives back part of what was taken, everywhere or around speech, and nothing else."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechclean.audio.waveform import Audio
from speechclean.stages.postprocess.beta_wiener import BetaWiener
from speechclean.stages.postprocess.floor import Floor
from speechclean.stages.postprocess.loudness import Loudness
from speechclean.stages.types import Separation
from tests.conftest import level_db, noise

MASK = torch.ones(1, 1, 1)


def kept(mixture: Audio, gain: float | torch.Tensor) -> Separation:
    """A separation whose speech is the mixture under a gain."""
    return Separation(mixture, mixture.with_waveform(gain * mixture.waveform), MASK)


def spoken(rate: int = 24000, channels: int = 1, pause: float = 1e-3) -> Separation:
    """Eight seconds of which the estimate keeps all from 3 to 5, and `pause` of the rest."""
    mixture = noise(8.0, rate, 0.1, channels)
    gain = torch.full((1, mixture.samples), pause)
    gain[:, 3 * rate : 5 * rate] = 1
    return kept(mixture, gain)


@pytest.mark.parametrize("adaptive", [False, True])
def test_by_hand(adaptive: bool) -> None:
    """Of a mixture halved, a tenth of the other half comes back."""
    mixture = noise(1.0)
    result = Floor(-20.0, adaptive)(kept(mixture, 0.5))
    assert torch.allclose(result.speech.waveform, 0.55 * mixture.waveform, atol=1e-6)
    assert torch.allclose(result.residual.waveform, 0.45 * mixture.waveform, atol=1e-6)


def test_none_is_no_floor_and_zero_db_is_the_mixture() -> None:
    state = kept(noise(1.0), 0.3)
    assert Floor()(state) is state
    assert Floor(adaptive=True)(state) is state
    whole = Floor(0.0)(state)
    assert torch.allclose(whole.speech.waveform, state.mixture.waveform, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    floor_db=st.floats(-120, 0),
    adaptive=st.booleans(),
    channels=st.integers(1, 3),
    samples=st.integers(1, 30000),
)
def test_it_lies_between_estimate_and_mixture(
    seed: int, floor_db: float, adaptive: bool, channels: int, samples: int
) -> None:
    mixture, speech = (
        noise(samples / 16000, 16000, 0.5, channels, seed=seed + more) for more in (0, 1)
    )
    before = speech.waveform.clone()
    state = Separation(mixture, speech, MASK)
    result = Floor(floor_db, adaptive)(state)
    low = torch.minimum(speech.waveform, mixture.waveform) - 1e-6
    high = torch.maximum(speech.waveform, mixture.waveform) + 1e-6
    assert ((result.speech.waveform >= low) & (result.speech.waveform <= high)).all()
    total = result.speech.waveform + result.residual.waveform
    assert torch.allclose(total, mixture.waveform, atol=1e-5)
    assert torch.equal(speech.waveform, before)
    taken, left = state.residual.waveform, result.residual.waveform
    gain = 10 ** (floor_db / 20)
    assert (left.abs() <= taken.abs() + 1e-6).all()
    assert (left.abs() >= (1 - gain) * taken.abs() - 1e-6).all()


@pytest.mark.parametrize("floor_db", [-26.0, -20.0, -14.0])
def test_music_is_turned_down_by_the_floor_and_no_more(floor_db: float) -> None:
    mixture = noise(2.0)
    result = Floor(floor_db)(BetaWiener(1.0)(kept(mixture, 0.01)))
    down = level_db(result.speech.waveform) - level_db(mixture.waveform)
    assert down == pytest.approx(floor_db, abs=0.1)


def test_before_the_wiener_mask_most_of_a_floor_would_be_cut_again() -> None:
    mixture = noise(2.0)
    result = BetaWiener(0.25)(Floor(-20.0)(kept(mixture, 0.0)))
    down = level_db(result.speech.waveform) - level_db(mixture.waveform)
    wiener_db = 5 * math.log10(0.01 / 0.82)  # of (0.1^2 / (0.1^2 + 0.9^2)) ^ 0.25
    assert down == pytest.approx(-20 + wiener_db, abs=0.1)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_adaptive_floor_is_there_around_speech_and_gone_in_pauses(channels: int) -> None:
    rate, state = 24000, spoken(channels=channels)
    floor = Floor(-20.0, adaptive=True, hold_s=0.3)
    result = floor(state).speech.waveform

    def db(start: float, end: float) -> float:
        part = slice(round(start * rate), round(end * rate))
        return level_db(result[:, part]) - level_db(state.mixture.waveform[:, part])

    assert db(0.0, 2.4) == pytest.approx(-60, abs=0.1)
    assert db(5.6, 8.0) == pytest.approx(-60, abs=0.1)
    assert db(2.87, 2.95) == pytest.approx(-20, abs=0.2)
    assert db(5.05, 5.13) == pytest.approx(-20, abs=0.2)
    assert db(3.1, 4.9) == pytest.approx(0, abs=0.01)


def test_a_word_that_was_lost_within_speech_is_under_the_floor() -> None:
    rate, state = 24000, spoken()
    gain = torch.ones(1, state.mixture.samples)
    gain[:, 4 * rate : round(4.5 * rate)] = 0.0
    lost = slice(round(4.1 * rate), round(4.4 * rate))
    result = Floor(-14.0, adaptive=True, hold_s=0.4)(kept(state.mixture, gain)).speech.waveform
    down = level_db(result[:, lost]) - level_db(state.mixture.waveform[:, lost])
    assert down == pytest.approx(-14, abs=0.1)


@pytest.mark.parametrize("hold_s", [0.1, 0.3, 1.0])
def test_presence_is_smooth(hold_s: float) -> None:
    presence = Floor(-20.0, adaptive=True, hold_s=hold_s).presence(spoken())
    assert presence.min() == 0
    assert presence.max() == pytest.approx(1, abs=1e-6)
    # The steepest step of a raised-cosine fade; frames are few in a short one.
    assert presence.diff().abs().max() <= 4 / (hold_s * 24000)


def test_all_channels_have_one_floor() -> None:
    """One channel speaks, the other is music alone: the floor must not move the image."""
    one, other = spoken(), noise(8.0, seed=5)
    mixture = Audio(torch.cat([one.mixture.waveform, 0.3 * other.waveform]), 24000)
    speech = torch.cat([one.speech.waveform, torch.zeros_like(other.waveform)])
    state = Separation(mixture, Audio(speech, 24000), MASK)
    gains = (Floor(-20.0, adaptive=True)(state).speech.waveform - speech) / (
        state.residual.waveform
    )
    pauses = slice(24000, 3 * 24000)
    assert torch.allclose(gains[0, pauses], gains[1, pauses], atol=1e-3)
    assert gains[1, 4 * 24000].item() == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("adaptive", [False, True])
def test_silence_stays_silence(adaptive: bool) -> None:
    silent = Audio(torch.zeros(2, 24000), 24000)
    assert not Floor(-14.0, adaptive)(kept(silent, 1.0)).speech.waveform.any()


def test_the_level_that_loudness_set_is_taken_into_account() -> None:
    state = Loudness(-30.0)(kept(noise(2.0), 0.5))
    result = Floor(-20.0, adaptive=True)(state)
    expected = 0.55 * state.gain * state.mixture.waveform
    assert torch.allclose(result.speech.waveform, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"floor_db": 3.0}, "floor_db"),
        ({"floor_db": -200.0}, "floor_db"),
        ({"active_db": 1.0}, "active_db"),
        ({"hold_s": -0.1}, "hold_s"),
        ({"window_s": 0.0}, "window_s"),
    ],
)
def test_bad_arguments(knobs: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Floor(**knobs)  # type: ignore[arg-type]
