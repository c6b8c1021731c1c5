"""The level of the voice: a gain is told, and music that goes is not."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from speechclean.audio import stft
from speechclean.audio.loudness import integrated_lufs
from speechclean.audio.waveform import Audio
from speechclean.stages.metrics.level_change_db import LevelChange

RATE, N_FFT = 16000, 512
Pair = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture
def pair() -> Pair:
    """A voice of 1 kHz, music of 5 kHz just as loud, and the mask that splits them at 3 kHz; 1 s,
    mono."""
    t = torch.arange(float(RATE)) / RATE
    voice, music = (0.2 * torch.sin(2 * torch.pi * hz * t)[None] for hz in (1000, 5000))
    mask = torch.zeros_like(stft.stft(voice, N_FFT).real)
    mask[:, : 3000 * N_FFT // RATE] = 1
    return voice, music, mask


@pytest.mark.parametrize("referenced", [True, False])
@pytest.mark.parametrize("change_db", [0.0, -6.0, 6.0, -20.0])
def test_a_gain_is_read_and_music_that_goes_is_not(
    separation: Any, track: Any, pair: Pair, referenced: bool, change_db: float
) -> None:
    voice, music, mask = pair
    cleaned = 10 ** (change_db / 20) * voice
    state = separation(cleaned, mixture=voice + music, mask=mask)
    reference = track(Audio(voice, RATE)) if referenced else track()
    assert LevelChange()(state, reference) == pytest.approx(change_db, abs=0.05)
    assert LevelChange()(state.before(), reference) == 0
    # what loudness says of the same: it falls with the music
    before, after = integrated_lufs(state.mixture), integrated_lufs(state.speech)
    assert before is not None
    assert after is not None
    assert after - before < change_db - 2


def test_the_level_of_the_reference_is_free(separation: Any, track: Any, pair: Pair) -> None:
    voice, music, mask = pair
    state = separation(0.5 * voice, mixture=voice + music, mask=mask)
    values = [LevelChange()(state, track(Audio(scale * voice, RATE))) for scale in (0.01, 1.0, 4.0)]
    assert values == pytest.approx(3 * [20 * math.log10(0.5)], abs=0.05)


def test_the_reference_is_believed_and_not_the_mask(
    separation: Any, track: Any, pair: Pair
) -> None:
    """A mask that takes the music for the voice."""
    voice, music, mask = pair
    state = separation(music, mixture=voice + music, mask=1 - mask)
    assert LevelChange()(state, track()) == pytest.approx(0.0, abs=0.05)
    found = LevelChange()(state, track(Audio(voice, RATE)))
    assert found is not None
    assert found < -20


def test_stereo_is_summed_over_channels(separation: Any, track: Any, pair: Pair) -> None:
    """One of two channels at half its amplitude: 10 log10 (1.25 / 2)."""
    voice, music, mask = (one.expand(2, *one.shape[1:]) for one in pair)
    gains = torch.tensor([[1.0], [0.5]])
    state = separation(gains * voice, mixture=voice + music, mask=mask)
    for known in (track(), track(Audio(pair[0], RATE))):
        assert LevelChange()(state, known) == pytest.approx(10 * math.log10(0.625), abs=0.05)


def test_a_muted_voice_reads_the_cap_and_no_voice_nothing(
    separation: Any, track: Any, pair: Pair
) -> None:
    voice, music, mask = pair
    muted = separation(torch.zeros_like(voice), mixture=voice + music, mask=mask)
    assert LevelChange()(muted, track()) == -60
    assert LevelChange(cap_db=40.0)(muted, track(Audio(voice, RATE))) == -40
    nobody = separation(voice, mixture=voice + music, mask=torch.zeros_like(mask))
    assert LevelChange()(nobody, track()) is None
    silence = separation(torch.zeros_like(voice))
    assert LevelChange()(silence, track()) is None
    # the reference is not in this mixture: it would be found at a negative level
    assert LevelChange()(separation(-voice), track(Audio(voice, RATE))) is None


@pytest.mark.parametrize(
    "bad", [{"least_share": 0.0}, {"least_share": 1.1}, {"window_s": 0.0}, {"cap_db": -1.0}]
)
def test_bad_arguments(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        LevelChange(**bad)
