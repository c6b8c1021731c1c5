"""Verdicts and guards on sounds of which it is known what was done to them, by the default
thresholds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from speechclean.audio.stft import apply_mask, ratio_mask, stft, window_length
from speechclean.audio.waveform import Audio
from speechclean.experiment.clean import Outcome
from speechclean.experiment.measure import assess
from speechclean.records.results.verdict import Thresholds
from speechclean.stages.datasets.manifest import Pilot
from speechclean.stages.guard import Fallback, NoGuard
from speechclean.stages.metrics.edge_burst_db import EdgeBurst
from speechclean.stages.metrics.level_change_db import LevelChange
from speechclean.stages.metrics.lufs import Lufs
from speechclean.stages.metrics.music_to_speech_db import MusicToSpeech
from speechclean.stages.metrics.si_sdr import SiSdr
from speechclean.stages.metrics.stoi import Stoi
from speechclean.stages.types import Separation, Track
from tests.conftest import noise, tone
from tests.support.paths import ROOT

COMPARED = {"si_sdr": SiSdr(), "stoi": Stoi(), "level_change_db": LevelChange()}
BLIND = {"music_to_speech_db": MusicToSpeech(), "level_change_db": LevelChange(), "lufs": Lufs()}


def default_thresholds() -> Thresholds:
    config: Any = OmegaConf.to_container(OmegaConf.load(ROOT / "conf/verdict/default.yaml"))
    config.pop("_target_")
    return Thresholds(**config)


@dataclass
class Judge:
    metrics: dict[str, Any]
    guard: Any = field(default_factory=NoGuard)
    selection: Any = None
    verdict: Thresholds = field(default_factory=default_thresholds)

    def __call__(self, separation: Separation, track: Track) -> tuple[str, Separation, float]:
        kept, found = assess(Outcome(track, separation), separation, self)
        assert found.wet is not None
        return found.verdict, kept, found.wet


@pytest.fixture(scope="module")
def voice() -> Audio:
    """Clean speech of the pilot, 5 s."""
    reference = Pilot().tracks()[0].reference
    assert reference is not None
    return reference.mono().with_waveform(
        reference.mono().waveform[:, 2 * reference.sample_rate : 7 * reference.sample_rate]
    )


def referenced(reference: Audio | None) -> Track:
    track = Track("clip", Path("clip.wav"), None if reference is None else Path("clean.wav"))
    track.__dict__["reference"] = reference
    return track


def separated(voice: Audio, gain: float = 1.0) -> Separation:
    """The voice at 5 dB over a chord, cleaned by the oracle ratio mask, at another level."""
    chord = sum(tone(hz, 5.0, voice.sample_rate).waveform for hz in (220, 277, 330))
    assert isinstance(chord, torch.Tensor)
    chord = chord[:, : voice.samples]
    loud = (voice.waveform.square().mean() / chord.square().mean()).sqrt() * 10 ** (-5 / 20)
    mixture = voice.with_waveform(voice.waveform + loud * chord)
    n_fft = window_length(voice.sample_rate, 0.085)
    mask = ratio_mask(stft(voice.waveform, n_fft), stft(loud * chord, n_fft))
    cleaned = gain * apply_mask(mixture.waveform, mask)
    return Separation(mixture, voice.with_waveform(cleaned), mask)


def test_music_that_went_is_an_improvement_and_no_change_of_level(voice: Audio) -> None:
    word, _, _ = Judge(COMPARED)(separated(voice), referenced(voice))
    assert word == "improved"


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_another_level_is_told_whatever_got_better(voice: Audio, gain: float) -> None:
    """SI-SDR and STOI hear no level, and loudness falls with the music."""
    word, _, _ = Judge(COMPARED)(separated(voice, gain), referenced(voice))
    assert word.startswith("harmed: level " + ("−" if gain < 1 else "+"))
    assert "," not in word
    unknown, _, _ = Judge(BLIND)(separated(voice, gain), referenced(None))
    assert unknown.startswith("harmed: level")


def test_a_clean_file_as_its_own_reference_is_not_harmed_by_45_db(voice: Audio) -> None:
    hiss = noise(5.0, voice.sample_rate).waveform[:, : voice.samples]
    rms = voice.waveform.square().mean().sqrt() / hiss.square().mean().sqrt()

    def with_hiss(db: float) -> Separation:
        heard = voice.with_waveform(voice.waveform + rms * 10 ** (-db / 20) * hiss)
        return Separation(voice, heard, torch.ones_like(stft(voice.waveform, 2048).real))

    track = referenced(voice)
    assert SiSdr()(with_hiss(45.0).before(), track) == 100
    assert SiSdr()(with_hiss(45.0), track) == pytest.approx(45, abs=0.1)
    assert Judge(COMPARED)(with_hiss(45.0), track)[0] == "unchanged"
    assert Judge(COMPARED)(with_hiss(15.0), track)[0].startswith("harmed: ")


def test_what_nothing_can_tell_is_not_judged(voice: Audio) -> None:
    """Neither where the music went and the level stayed, nor where nothing was done at all."""
    assert Judge(BLIND)(separated(voice), referenced(None))[0] == "not judged"
    assert Judge(BLIND)(separated(voice).before(), referenced(None))[0] == "not judged"
    assert Judge({})(separated(voice), referenced(voice))[0] == "not judged"
    assert Judge(COMPARED)(separated(voice), referenced(None))[0] == "not judged"


def test_the_guard_mixes_until_the_level_is_back(voice: Audio) -> None:
    """At 0.7 of a voice at half its level and 0.3 of the mixture: 3.7 dB down, below the 4."""
    state = separated(voice, 0.5)
    word, kept, wet = Judge(COMPARED, Fallback())(state, referenced(voice))
    assert wet == 0.7
    assert not word.startswith("harmed")
    assert LevelChange()(kept, referenced(voice)) == pytest.approx(-3.7, abs=0.2)
    muted = state.with_speech(0 * state.speech.waveform)
    word, kept, wet = Judge(COMPARED, Fallback())(muted, referenced(voice))
    assert (word, wet) == ("passed through", 0.0)
    assert torch.equal(kept.speech.waveform, state.mixture.waveform)


def test_a_burst_at_the_end_is_told_whatever_got_better(voice: Audio) -> None:
    """A second of music alone follows the voice; of it, the last 60 ms come back."""
    rate, second = voice.sample_rate, voice.sample_rate
    spoken = voice.with_waveform(torch.cat([voice.waveform, torch.zeros(1, second)], -1))
    music = noise(spoken.seconds, rate, level=0.02).waveform[:, : spoken.samples]
    mixture = voice.with_waveform(spoken.waveform + music)
    n_fft = window_length(rate, 0.085)
    mask = ratio_mask(stft(spoken.waveform, n_fft), stft(music, n_fft))
    quiet = spoken.waveform + 0.01 * music
    burst = quiet.clone()
    burst[:, -round(0.06 * rate) :] = mixture.waveform[:, -round(0.06 * rate) :]
    metrics = {**COMPARED, "edge_burst_db": EdgeBurst()}
    for track in (referenced(spoken), referenced(None)):
        still = Judge(metrics)(Separation(mixture, voice.with_waveform(quiet), mask), track)[0]
        assert not still.startswith("harmed")
        told = Judge(metrics)(Separation(mixture, voice.with_waveform(burst), mask), track)[0]
        assert told.startswith("harmed: burst at an end ")
