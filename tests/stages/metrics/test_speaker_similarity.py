"""Speaker similarity: the embeddings of the published code, and one voice told from another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import pad

from speechclean.audio.waveform import Audio, resample
from speechclean.networks.checkpoints import CheckpointError
from speechclean.stages.metrics import speaker_encoder
from speechclean.stages.metrics.mel import filters
from speechclean.stages.metrics.speaker_similarity import SpeakerSimilarity, levelled, speech_of
from speechclean.stages.types import Separation, Track
from tests.stages.metrics.known_sounds import RATE, chord, mixed, voice
from tests.support.values import number

SOUNDS = {
    "voice": voice(3),
    "the same for longer": voice(9.01),
    "with a chord": mixed(voice(3), chord(3)),
    "another": voice(3, pitch_hz=200, tract=1.2),
}
#: Cosines with the first of them: `VoiceEncoder("cpu").embed_utterance(sound)` of resemblyzer
#: 0.1.4 with torch 2.11.0 and librosa 0.11.0.
KNOWN = {
    "voice": 1.0,
    "the same for longer": 0.9578,
    "with a chord": 0.5235,
    "another": 0.7864,
}


@pytest.fixture(scope="module")
def encoder() -> speaker_encoder.SpeakerEncoder:
    return speaker_encoder.load(SpeakerSimilarity()._file, "cpu")


def test_numbers_of_the_published_code(encoder: speaker_encoder.SpeakerEncoder) -> None:
    voices = {name: encoder.embedding(sound.waveform[0]) for name, sound in SOUNDS.items()}
    cosines = {name: float(one @ voices["voice"]) for name, one in voices.items()}
    assert cosines == pytest.approx(KNOWN, abs=1e-3)


def test_mel_bands_are_librosas() -> None:
    """`librosa.filters.mel(sr=16000, n_fft=400, n_mels=40)` of librosa 0.11.0: where each of some
    bands is highest, in bins of 40 Hz, and how high."""
    bands = filters(16000, 400, 40)
    known = {0: (2, 0.0124), 10: (20, 0.01188), 20: (44, 0.00719), 39: (185, 0.00172)}
    for band, (place, height) in known.items():
        assert int(bands[band].argmax()) == place
        assert float(bands[band].max()) == pytest.approx(height, abs=1e-5)


def test_the_same_voice_is_the_same(separation: Any, track: Any, noise: Any) -> None:
    """At another level, too, and whatever is in the pauses."""
    speech = pad(voice(4).waveform, (2 * RATE, RATE))
    reference, metric = track(Audio(speech, RATE)), SpeakerSimilarity(device="cpu")
    assert metric(separation(speech), reference) == pytest.approx(1, abs=1e-6)
    assert metric(separation(0.05 * speech), reference) == pytest.approx(1, abs=1e-4)
    around = noise(1, 7 * RATE) * ~speech_of(speech[0])
    assert around.square().mean() > 0.002
    assert metric(separation(speech + around), reference) == pytest.approx(1, abs=1e-6)


def test_another_voice_and_music_are_not(separation: Any, track: Any) -> None:
    reference, metric = track(voice(4)), SpeakerSimilarity(device="cpu")
    other = number(metric(separation(voice(4, 200, 1.2).waveform), reference))
    some_music = mixed(voice(4), chord(4, level=0.003))
    more_music = mixed(voice(4), chord(4, level=0.03))
    little = number(metric(separation(some_music.waveform), reference))
    much = number(metric(separation(more_music.waveform), reference))
    assert 0 <= other < 0.85
    assert 0 <= much < little < 1


def test_on_the_pilot(pilot: Sequence[tuple[Separation, Track]]) -> None:
    """The voice is kept by the oracle mask; under the music it is not what it was."""
    for separated, track in pilot[:3]:
        kept = number(SpeakerSimilarity()(separated, track))
        assert kept > 0.9
        assert number(SpeakerSimilarity()(separated.before(), track)) < kept - 0.05


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_rates_and_channels(separation: Any, track: Any, rate: int) -> None:
    mixture = mixed(voice(4), chord(4))
    known = SpeakerSimilarity()(separation(mixture.waveform), track(voice(4)))
    there = resample(Audio(mixture.waveform, RATE), rate).waveform
    stereo = separation(torch.cat([1.2 * there, 0.8 * there]), rate=rate)
    assert SpeakerSimilarity()(stereo, track(voice(4))) == pytest.approx(known, abs=0.05)


def test_no_number(separation: Any, track: Any, noise: Any) -> None:
    metric, silence = SpeakerSimilarity(), torch.zeros(1, RATE)
    assert metric(separation(noise()), track()) is None
    assert metric(separation(noise()), track(Audio(silence, RATE))) is None
    assert metric(separation(silence), track(Audio(noise(), RATE))) is None
    short = noise(1, 3000)
    assert metric(separation(short), track(Audio(short, RATE))) is None


def test_where_a_reference_speaks() -> None:
    """Bursts with their surroundings, to the sample's end."""
    burst = torch.ones(RATE // 2)
    sound = pad(burst, (RATE, 2 * RATE)) + pad(0.1 * burst, (3 * RATE, 0))
    speaks = speech_of(sound)
    assert len(speaks) == len(sound)
    assert speaks[RATE : RATE * 3 // 2].all()
    assert speaks[3 * RATE :].all()
    assert not speaks[: RATE // 2].any()
    assert not speaks[2 * RATE : RATE * 5 // 2].any()
    assert levelled(burst).square().mean() == pytest.approx(1e-3)


class Attack:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def test_files_are_data(tmp_path: Path) -> None:
    torch.save({"model_state": Attack(f"touch {tmp_path}/ran")}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="refused"):
        speaker_encoder.load(tmp_path / "x.pt", "cpu")
    assert not (tmp_path / "ran").exists()
    torch.save({"model_state": {"x": torch.zeros(1)}}, tmp_path / "y.pt")
    with pytest.raises(CheckpointError, match="not a checkpoint of the speaker encoder"):
        speaker_encoder.load(tmp_path / "y.pt", "cpu")
