"""The study of words tries each point once, and measures pauses where nobody speaks."""

import pytest
import torch

from experiments.words import run
from experiments.words.grid import FIRST, SYSTEMS, points
from speechclean.stages.types import Stems
from tests.conftest import noise, tone


def test_every_point_is_tried_once_and_cleans() -> None:
    found = points()
    assert len(set(found)) == len(found)
    assert found[: len(FIRST)] == list(FIRST)
    mixture = noise(0.5, level=0.2)
    half = mixture.with_waveform(0.5 * mixture.waveform)
    answers = {name: Stems(half, half) for names in SYSTEMS.values() for name in names}
    for point in found:
        speech = point.clean(mixture, answers).speech
        assert speech.waveform.shape == mixture.waveform.shape
        assert speech.waveform.isfinite().all()


def test_pauses_by_hand() -> None:
    """Music that is turned down by 20 dB, under a voice that is not counted."""
    music, voice = noise(3.0, level=0.1), tone(400, 3.0).waveform
    voice[:, :24000] = 0
    reference = music.with_waveform(voice)
    mixture = music.with_waveform(music.waveform + voice)
    cleaned = music.with_waveform(0.1 * music.waveform + voice)
    clip = run.Clip(mixture, reference, "", {})
    assert run.pauses_db(clip, cleaned) == pytest.approx(-20, abs=1e-3)
    silent = music.with_waveform(torch.zeros_like(voice))
    assert run.pauses_db(clip, silent) == pytest.approx(-100, abs=1e-3)
    spoken = run.Clip(mixture, tone(400, 3.0), "", {})
    assert run.pauses_db(spoken, cleaned) is None
