"""The metrics on words: what each counts, what it does not apply to, whom it asks, how often."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from speechclean.audio.waveform import Audio
from speechclean.stages.metrics import heard as module
from speechclean.stages.metrics.cer import CharacterErrorRate, character_error_rate
from speechclean.stages.metrics.heard import HearsWords
from speechclean.stages.metrics.memo import Memo
from speechclean.stages.metrics.recogniser import Recogniser
from speechclean.stages.metrics.wer import WordErrorRate
from speechclean.stages.metrics.wer_deletions import Deletions
from speechclean.stages.metrics.wer_vs_mixture import WordsVsMixture
from speechclean.stages.metrics.words import Words
from speechclean.stages.metrics.words_invented import WordsInvented
from speechclean.stages.metrics.words_lost import WordsLost

BY_TRANSCRIPT: list[Any] = [
    WordErrorRate,
    CharacterErrorRate,
    Deletions,
    Words,
    WordsInvented,
    WordsLost,
]


class Ears:
    """Stands in for Whisper: texts by the number of channels, and a note of each question."""

    def __init__(self, texts: dict[int, str], spoken: str = "en") -> None:
        self.texts, self.spoken = texts, spoken
        self.asked: list[str] = []

    def hear(self, _: Recogniser, audio: Audio, language: str) -> str:
        self.asked.append(language)
        return self.texts[audio.channels]

    def language(self, _: Recogniser, audio: Audio) -> str:
        self.asked.append(f"? {audio.channels}")
        return self.spoken


@pytest.fixture
def ears(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(*arguments: Any, **more: Any) -> Ears:
        made = Ears(*arguments, **more)
        monkeypatch.setattr(module, "_texts", Memo(one_at_a_time=False))
        monkeypatch.setattr(Recogniser, "hear", lambda *given: made.hear(*given))
        monkeypatch.setattr(Recogniser, "language", lambda *given: made.language(*given))
        return made

    return make


@pytest.mark.parametrize(
    ("heard", "values"),
    [  # wer, cer, deletions, words, invented, lost
        ("The cat sat down.", (0, 0, 0, 4, 0, 0)),
        ("the bat sat", (0.5, 6 / 16, 0.25, 4, 0, 2)),
        ("Thank you! The cat sat down", (0.5, 10 / 16, 0, 4, 2, 0)),
        ("[music]", (1, 1, 1, 4, 0, 4)),
    ],
)
def test_values_by_hand(
    ears: Any, separation: Any, track: Any, noise: Any, heard: str, values: tuple[float, ...]
) -> None:
    made = ears({1: heard})
    known = dataclasses.replace(track(transcript="The cat sat down!"), language="en")
    found = [metric()(separation(noise()), known) for metric in BY_TRANSCRIPT]
    assert found == pytest.approx(list(values))
    assert all(isinstance(value, float) for value in found)
    assert made.asked == ["en"], "heard once for all of them"


@pytest.mark.parametrize("transcript", [None, "", "  ", "...", "[music]", "!?"])
def test_does_not_apply_without_words(
    ears: Any, separation: Any, track: Any, noise: Any, transcript: str | None
) -> None:
    made = ears({1: "some words"})
    without = dataclasses.replace(track(transcript=transcript), language="en")
    assert [metric()(separation(noise()), without) for metric in BY_TRANSCRIPT] == [None] * 6
    assert made.asked == []


def test_characters() -> None:
    assert character_error_rate("abcd", "abxd") == 0.25


def test_disagreement_with_the_mixture(ears: Any, separation: Any, track: Any, noise: Any) -> None:
    made = ears({1: "red green black", 2: "Red, green, blue, black!"})
    mixture = Audio(noise(2), 16000)
    judged = separation(noise(2))
    judged = dataclasses.replace(judged, mixture=mixture)
    plain = dataclasses.replace(track(), language="en")
    assert WordsVsMixture()(judged.before(), plain) == 0
    assert WordsVsMixture()(judged, dataclasses.replace(plain, transcript="red")) is None
    made.texts[2] = "red green"
    spoken = dataclasses.replace(judged, speech=Audio(noise(2, seed=1), 16000))
    assert WordsVsMixture()(spoken, plain) == 0.5, "two words of the mixture's four"
    made.texts[2] = ""
    silent = dataclasses.replace(judged, mixture=Audio(noise(2, seed=2), 16000))
    assert WordsVsMixture()(silent, plain) is None


def test_whose_language_counts(ears: Any, separation: Any, track: Any, noise: Any) -> None:
    """The metric's own, else the track's, else the one in the mixture, asked for once."""
    made = ears({1: "eins zwei"}, spoken="de")
    judged = dataclasses.replace(separation(noise()), speech=Audio(noise(seed=1), 16000))
    plain, known = track(transcript="Eins, zwei."), dataclasses.replace(track(), language="nl")
    known = dataclasses.replace(known, transcript="eins zwei")
    assert WordErrorRate(language="fr")(judged, known) == 0
    assert WordErrorRate()(judged, known) == 0
    assert made.asked == ["fr", "nl"]
    assert WordErrorRate()(judged, plain) == 0
    assert WordsLost()(judged.before(), plain) == 0
    assert made.asked == ["fr", "nl", "? 1", "de", "de"]


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"model": "large"}, "model='large' must be one of base, tiny.en"),
        ({"language": "e n"}, "language='e n'"),
        ({"model": "tiny.en", "language": "de"}, "hears English only"),
        ({"cpu_threads": 0}, "cpu_threads=0"),
        ({"num_workers": 0}, "num_workers=0"),
        ({"device": "gpu9"}, "device="),
    ],
)
def test_bad_arguments(knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HearsWords(**knobs)


def test_metrics_share_one_recogniser() -> None:
    """The ones of a run, unless one is given knobs of its own."""
    wanted = {
        (one.model, one.device, one.language, one.cpu_threads, one.num_workers)
        for one in (metric() for metric in [*BY_TRANSCRIPT, WordsVsMixture])
    }
    assert len(wanted) == 1
