"""No end of music alone bursts, and no end of speech is touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from speechclean.audio.stft import stft
from speechclean.audio.waveform import Audio
from speechclean.stages.metrics.edge_burst_db import EdgeBurst
from speechclean.stages.postprocess.edges import Edges
from speechclean.stages.types import Separation, Track
from tests.conftest import level_db, noise

MASK = torch.ones(1, 1, 1)
RATE = 24000


def part(seconds: float, gain: float, channels: int = 1) -> torch.Tensor:
    return torch.full((channels, round(seconds * RATE)), gain)


def kept(gain: torch.Tensor, mixture: Audio | None = None) -> Separation:
    """A separation that keeps so much of the mixture, sample by sample."""
    mixture = mixture or noise(gain.shape[-1] / RATE, RATE, 0.1, gain.shape[0])
    return Separation(mixture, mixture.with_waveform(gain * mixture.waveform), MASK)


def bursting(seconds: float = 0.06, channels: int = 1) -> Separation:
    """Four seconds: 0.5 of the music are kept at both ends, a hundredth in the pauses beside."""
    end, pause, speech = (
        part(seconds, 0.5, channels),
        part(1.0, 0.01, channels),
        part(1.5, 1.0, channels),
    )
    return kept(torch.cat([end, pause, speech, pause, end], -1))


def rise_db(audio: Audio, from_end: bool, edge_s: float = 0.06) -> float:
    waveform = audio.waveform.flip(-1) if from_end else audio.waveform
    edge, beside = round(edge_s * RATE), round((edge_s + 0.5) * RATE)
    return level_db(waveform[:, :edge]) - level_db(waveform[:, edge:beside])


@pytest.mark.parametrize("from_end", [False, True])
@pytest.mark.parametrize("seconds", [0.03, 0.06, 0.1])
def test_a_burst_is_turned_down_to_what_is_beside_it(seconds: float, from_end: bool) -> None:
    state = bursting(seconds)
    assert rise_db(state.speech, from_end, seconds) > 25
    assert rise_db(Edges(3.0)(state).speech, from_end, seconds) <= 5


def test_the_metric_that_hears_bursts_hears_none_any_more(tmp_path: Path) -> None:
    # Under this mask nobody speaks.
    state = bursting()
    silent = torch.zeros_like(stft(state.mixture.waveform, 2048).real)
    state = replace(state, mask=silent)
    track = Track("burst", tmp_path / "burst.wav")
    before, after = (EdgeBurst()(one, track) for one in (state, Edges(3.0)(state)))
    assert before is not None
    assert after is not None
    assert before > 25
    assert after <= 5


def test_nothing_but_the_ends_changes_and_all_channels_alike() -> None:
    state = bursting(channels=2)
    result = Edges(3.0)(state)
    inner = slice(round(0.15 * RATE), -round(0.15 * RATE))
    assert torch.equal(result.speech.waveform[:, inner], state.speech.waveform[:, inner])
    gain = result.speech.waveform / state.speech.waveform
    assert gain.max() <= 1
    assert torch.allclose(gain[0], gain[1], atol=1e-5)
    # One goes smoothly to the other: it takes 20 ms from 0 to 1.
    per_ms = RATE // 1000
    assert (gain[0, per_ms:] - gain[0, :-per_ms]).abs().max() < 0.06


@pytest.mark.parametrize(
    "gain",
    [
        part(2.0, 1.0),  # clean speech
        part(2.0, 0.01),  # music alone, all of it taken out
        torch.cat([part(1.0, 0.01), part(0.4, 1.0)], -1),  # a word that ends with the file
        torch.cat([part(1.0, 1.0), part(0.1, 0.01)], -1),  # the end is quieter than what is beside
        torch.cat([part(1.0, 0.01), part(0.1, 0.012)], -1),  # louder by less than 3 dB
        part(0.5, 0.3),  # too short to tell
    ],
)
def test_other_ends_are_left_as_they_are(gain: torch.Tensor) -> None:
    state = kept(gain)
    assert Edges(3.0)(state) is state


def test_the_music_s_own_beat_is_no_burst() -> None:
    """A drum on the last beat: as much of it is left as of what is beside it."""
    mixture = noise(2.0, RATE, 0.01)
    mixture.waveform[:, -round(0.06 * RATE) :] *= 30
    state = kept(part(2.0, 0.05), mixture)
    assert Edges(3.0)(state) is state


def test_without_a_rise_it_does_nothing() -> None:
    state = bursting()
    assert Edges()(state) is state


def test_silence_beside_is_silence_at_the_end() -> None:
    gain = torch.cat([part(1.0, 0.0), part(0.05, 0.5)], -1)
    assert not Edges(3.0)(kept(gain)).speech.waveform[:, -round(0.05 * RATE) :].any()
    digital = Separation(*(Audio(torch.zeros(1, 2 * RATE), RATE),) * 2, MASK)
    assert Edges(3.0)(digital) is digital


def test_a_block_of_a_longer_sound_has_no_ends() -> None:
    state = bursting()
    block = Separation(state.mixture, state.speech, MASK, goes_on=(True, False))
    result = Edges(3.0)(block).speech
    assert torch.equal(result.waveform[:, :RATE], state.speech.waveform[:, :RATE])
    assert rise_db(result, True) <= 5
    block = Separation(state.mixture, state.speech, MASK, goes_on=(True, True))
    assert Edges(3.0)(block) is block


@pytest.mark.parametrize(
    ("knobs", "named"),
    [
        ({"rise_db": -1.0}, "rise_db"),
        ({"rise_db": 3.0, "edge_s": 0.0}, "edge_s"),
        ({"rise_db": 3.0, "beside_s": 9.0}, "beside_s"),
    ],
)
def test_knobs_that_make_no_sense_are_refused(knobs: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Edges(**knobs)
