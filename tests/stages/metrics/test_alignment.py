"""What was heard held against what was said: by hand, and against a second implementation."""

from __future__ import annotations

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechclean.stages.metrics.alignment import Alignment, align, lost_words, normalise

SAID = "the cat sat down"


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ("the cat sat down", (0, 0, 0)),
        ("the bat sat down", (1, 0, 0)),
        ("the sat down", (0, 1, 0)),
        ("the cat sat right down", (0, 0, 1)),
        ("", (0, 4, 0)),
        ("thanks for watching the cat sat down", (0, 0, 3)),  # on a musical lead-in
        ("the cat sat down bye", (0, 0, 1)),  # on a tail
        ("oh the bat sat", (1, 1, 1)),
        ("a b c d e f g h", (4, 0, 4)),
        ("cat sat down the", (0, 1, 1)),  # as many errors as any, and three words found again
    ],
)
def test_by_hand(heard: str, expected: tuple[int, int, int]) -> None:
    found = align(SAID, heard)
    assert found == Alignment(4, *expected)
    assert found.lost == expected[0] + expected[1]
    assert found.rate == sum(expected) / 4


texts = st.lists(st.sampled_from("abcde"), max_size=12)


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=12), texts)
def test_never_more_errors_than_another_finds(said: list[str], heard: list[str]) -> None:
    """Jiwer's errors are as many, and its lost words as many or more."""
    wanted, got = " ".join(said), " ".join(heard)
    found, other = align(wanted, got), jiwer.process_words(wanted, got)
    assert found.rate == pytest.approx(other.wer)
    assert found.lost <= other.substitutions + other.deletions
    assert found.words - found.deletions + found.insertions == len(heard)
    assert min(found.substitutions, found.deletions, found.insertions) >= 0


@given(texts, texts)
def test_the_words_that_are_lost_are_as_many_and_the_others_are_heard_in_order(
    said: list[str], heard: list[str]
) -> None:
    lost = lost_words(" ".join(said), " ".join(heard))
    assert len(lost) == align(" ".join(said), " ".join(heard)).lost
    rest = iter(heard)
    assert all(word in rest for place, word in enumerate(said) if place not in set(lost))


def test_a_long_text() -> None:
    said = [f"w{index % 97}" for index in range(3000)]
    heard = ["intro", "music", *said[:1000], *said[1010:], "bye"]
    assert align(" ".join(said), " ".join(heard)) == Alignment(3000, 0, 10, 3)


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
def test_english(written: str, spoken: str) -> None:
    assert normalise(written) == normalise(spoken)


def test_other_languages() -> None:
    assert normalise("Don't", "de") == "don t", "English rules are for English"
    assert normalise("¿Qué tal, señor?", "es") == "qué tal señor"
    assert normalise("你好，世界", "zh").split() == ["你", "好", "世", "界"], (
        "counted by characters"
    )
    assert normalise("안녕 세계", "ko").split() == ["안녕", "세계"]


@pytest.mark.parametrize("text", ["", "  ", "...", "[music]", "!?"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_no_words(text: str, language: str) -> None:
    assert normalise(text, language) == ""
