"""DeepFilterNet3 as an enhancement: the gain of its published network, mixed in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from speechclean.audio.sound_files import save
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio, resample
from speechclean.networks.cache import DiskCache
from speechclean.networks.deepfilternet.answers import DeepFilterNet
from speechclean.stages.enhancement.deepfilternet import DeepFilterEnhancement
from speechclean.stages.types import Separation, StreamingEnhancement
from tests.conftest import level_db, noise
from tests.support import real_weights
from tests.support.speech_and_music import MONO, agreement_db, clip, voice


@pytest.fixture(scope="module", autouse=True)
def _weights() -> None:
    real_weights.use("deepfilternet3")


def separation(audio: Audio) -> Separation:
    return Separation(audio, audio, torch.ones(audio.channels, 5, 3))


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (48000, 2), (96000, 1)])
def test_shape_is_kept_and_input_untouched(rate: int, channels: int) -> None:
    state = separation(noise(0.5, rate, 0.9, channels))
    before = state.speech.waveform.clone()
    result = DeepFilterEnhancement(wet=1.0, device="cpu")(state)
    assert result.speech.waveform.shape == before.shape
    assert torch.equal(state.speech.waveform, before)
    assert level_db(result.speech.waveform) < level_db(before) - 10  # noise is what it takes away
    assert (result.speech.waveform + result.residual.waveform - before).abs().max() < 1e-6


def test_a_voice_is_kept_and_its_treble_where_there_is_one() -> None:
    """At 96 kHz the band above what the network hears is treated as the octave below."""
    speech = resample(voice(MONO, 2.0), 96000)
    result = DeepFilterEnhancement(wet=1.0, device="cpu")(separation(speech))
    assert agreement_db(result.speech.waveform, speech.waveform) > 10


def test_wet_mixes_and_zero_needs_no_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = separation(clip(MONO, 1.0))
    levels = [
        level_db(DeepFilterEnhancement(wet, device="cpu")(state).speech.waveform)
        for wet in (0.0, 0.5, 1.0)
    ]
    assert levels == sorted(levels, reverse=True)
    monkeypatch.setattr(DeepFilterNet, "weight_files", property(lambda _: 1 / 0))
    idle = DeepFilterEnhancement(0.0, device="cpu")
    assert idle(state) is state
    assert idle.weight_files() == {}


def test_a_stream_and_a_cache_give_the_same(tmp_path: Path) -> None:
    own = DeepFilterEnhancement(wet=1.0, device="cpu")
    assert isinstance(own, StreamingEnhancement)
    path = save(clip(MONO, 1.5), tmp_path / "x.wav", "FLOAT")
    state = separation(clip(MONO, 1.5))
    plain = own(state).speech.waveform
    answer = Audio(torch.cat(list(own.stream(LongAudio.of(path))), -1), own.sample_rate)
    assert (own.apply(state, answer).speech.waveform - plain).abs().max() < 1e-5
    cache = DiskCache(tmp_path / "cache", 10**9)
    for wet in (0.3, 1.0, 1.0):
        kept = DeepFilterEnhancement(wet, device="cpu").reusing(cache)(state).speech.waveform
    assert torch.equal(kept, plain)
    assert (cache.tally.found, cache.tally.missed) == (2, 1)


def test_silence_stays_silent() -> None:
    silent = separation(Audio(torch.zeros(2, 1000), 48000))
    assert not DeepFilterEnhancement(1.0, device="cpu")(silent).speech.waveform.any()


@pytest.mark.parametrize(
    ("fields", "message"), [({"wet": 1.5}, "wet=1.5"), ({"window_s": 3.0}, "window_s=3.0")]
)
def test_bad_arguments_are_refused_at_once(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DeepFilterEnhancement(**fields)  # type: ignore[arg-type]
