"""The speech detector: finds the voice, listens once, and leaves torch's threads alone."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import pytest
import torch

from speechclean.audio.waveform import Audio, resample
from speechclean.stages.metrics import vad
from speechclean.stages.metrics.memo import KEPT, Memo
from speechclean.stages.metrics.vad import speech_segments
from tests.support.paths import ROOT


@pytest.fixture
def spoken(pilot: Any) -> Audio:
    """2 s of silence before a pilot voice, at 16 kHz, mono."""
    _, track = pilot[0]
    reference = resample(track.reference.mono(), 16000)
    return Audio(torch.nn.functional.pad(reference.waveform, (32000, 0)), 16000)


def test_finds_the_voice(spoken: Any) -> None:
    found = speech_segments(spoken)
    assert found[0][0] >= 2
    assert sum(end - start for start, end in found) > 2
    assert all(start < end for start, end in found)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(found))


def test_rate_and_channels_do_not_matter(spoken: Any) -> None:
    stereo = resample(Audio(spoken.waveform.repeat(2, 1), 16000), 44100)
    assert torch.allclose(
        torch.tensor(speech_segments(stereo)), torch.tensor(speech_segments(spoken)), atol=0.07
    )


def test_same_answer_every_time_whatever_came_before(spoken: Any, noise: Any) -> None:
    first = speech_segments(spoken)
    vad._memo._answers.clear()
    speech_segments(Audio(noise(1, 30000), 16000))
    assert speech_segments(spoken) == first


def test_listens_once_and_remembers_few(monkeypatch: Any, noise: Any) -> None:
    listened: list[tuple[object, ...]] = []

    def listen(*heard: object) -> list[tuple[float, float]]:
        listened.append(heard)
        return [(0.0, 1.0)]

    monkeypatch.setattr(vad, "_listen", listen)
    monkeypatch.setattr(vad, "_memo", Memo())
    sound = Audio(noise(1, 8000, seed=9), 16000)
    speech_segments(sound).clear()  # a caller may do as it likes with its copy
    assert speech_segments(Audio(sound.waveform.clone(), 16000)) == [(0.0, 1.0)]
    assert len(listened) == 1
    speech_segments(sound, threshold=0.7)
    speech_segments(Audio(sound.waveform, 8000))
    assert len(listened) == 3
    for seed in range(2 * KEPT):
        speech_segments(Audio(noise(1, 100, seed=seed), 16000))
    assert len(vad._memo._answers) <= KEPT


def test_silence_and_noise_hold_no_speech(noise: Any) -> None:
    assert speech_segments(Audio(torch.zeros(2, 16000), 16000)) == []
    assert speech_segments(Audio(noise(), 16000)) == []
    assert speech_segments(Audio(noise(1, 10), 48000)) == []


def test_thread_count_is_left_alone() -> None:
    """In a fresh process, because importing silero_vad for the first time sets one thread for all
    of torch."""
    code = (
        "import torch; torch.set_num_threads(2)\n"
        "from speechclean.audio.waveform import Audio\n"
        "from speechclean.stages.metrics import vad\n"
        "vad.speech_segments(Audio(torch.randn(1, 4000), 16000))\n"
        "print(torch.get_num_threads())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == ["2"]
