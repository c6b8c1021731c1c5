"""Word error rate: the score by hand, the normal form, and a recogniser that remembers nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from speechclean.audio.waveform import Audio, resample
from speechclean.stages.metrics import wer
from speechclean.stages.metrics.memo import Memo
from speechclean.stages.metrics.wer import Wer, normalise, recognise, word_error_rate
from speechclean.stages.types import Separation, Track
from tests.support.values import number


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ("the cat sat down", 0.0),
        ("the bat sat down", 0.25),  # one word changed
        ("the sat down", 0.25),  # one lost
        ("the cat sat right down", 0.25),  # one too many
        ("", 1.0),
        ("a b c d e f g h", 2.0),  # every word wrong, and as many again
    ],
)
def test_score_by_hand(
    separation: Any, track: Any, noise: Any, monkeypatch: Any, heard: str, expected: float
) -> None:
    assert word_error_rate("the cat sat down", heard) == expected
    monkeypatch.setattr(wer, "_memo", Memo())
    monkeypatch.setattr(wer, "recognise", lambda audio, max_active: heard)  # noqa: ARG005
    assert Wer()(separation(noise()), track(transcript="The cat sat down.")) == expected


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Hello, World!", "hello world"),
        ("It's 21 o'clock", "it is twenty one o'clock"),
        ("in 1984", "in nineteen eighty four"),
        ("the colour", "the color"),
        ("two  lines\nof text", "two lines of text"),
    ],
)
def test_normal_form(written: str, spoken: str) -> None:
    assert normalise(written) == normalise(spoken)


@pytest.mark.parametrize("transcript", [None, "", "  ", "...", "[music]", "!?"])
def test_does_not_apply_without_words(
    separation: Any, track: Any, noise: Any, transcript: str | None
) -> None:
    assert Wer()(separation(noise()), track(transcript=transcript)) is None


@pytest.mark.parametrize("samples", [1, 16000])
def test_silence_is_an_empty_answer(separation: Any, track: Any, samples: int) -> None:
    silent = separation(torch.zeros(2, samples), mask=torch.ones(2, 257, 1))
    assert Wer()(silent, track(transcript="anything at all")) == 1
    assert recognise(silent.speech) == ""


@pytest.fixture(scope="module")
def clips(pilot: list[tuple[Separation, Track]]) -> list[Audio]:
    """2.5 s of two pilot voices and of one mixture."""
    references = [track.reference for _, track in pilot[:2] if track.reference is not None]
    assert len(references) == 2
    sounds = [*references, pilot[2][0].mixture]
    return [
        sound.with_waveform(sound.waveform[:, : round(2.5 * sound.sample_rate)]) for sound in sounds
    ]


def test_understands_the_pilots_voices(pilot: Any) -> None:
    separation, track = pilot[0]
    clean = separation.with_speech(track.reference.waveform.expand_as(separation.mixture.waveform))
    assert number(Wer()(clean, track)) <= 0.4


def test_order_of_files_does_not_count(clips: list[Audio]) -> None:
    forwards = [recognise(clip) for clip in clips]
    backwards = [recognise(clip) for clip in reversed(clips)]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == 3
    assert recognise(clips[2]) == recognise(clips[2])  # nor does having just heard the same


def test_level_rate_and_channels_do_not_count(clips: list[Audio]) -> None:
    clip = resample(clips[0].mono(), 16000)
    words = recognise(clip)
    assert words
    assert recognise(clip.with_waveform(clip.waveform / 8)) == words
    assert recognise(clip.with_waveform(clip.waveform.repeat(3, 1))) == words


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="max_active must be at least 100"):
        Wer(max_active=99)
