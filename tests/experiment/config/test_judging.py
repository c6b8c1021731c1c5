"""What verdict and guard can hear is known before any work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from speechclean.experiment.config import judging
from speechclean.records.results.verdict import Thresholds
from speechclean.stages.guard import Fallback, NoGuard
from speechclean.stages.metrics.level_change_db import LevelChange
from speechclean.stages.metrics.music_residual_db import MusicResidual
from speechclean.stages.metrics.stoi import Stoi
from speechclean.stages.metrics.words_lost import WordsLost
from speechclean.stages.postprocess.loudness import Loudness
from speechclean.stages.selection import BestOf
from speechclean.stages.types import Track


@dataclass
class HearsAll:
    """Needs neither transcript nor reference."""

    unit = ""


@dataclass
class HearsWords:
    """Needs a transcript."""

    needs = "transcript"


GUARD = Fallback(refuse_blind=True)
RULES = Thresholds(
    harm={"wer": 0.05, "stoi": 0.03, "ears": 0.1, "level_change_db": 4.0},
    alarms=["level_change_db"],
)
BARE = [Track("a", Path("a.wav")), Track("b", Path("b.wav"))]
SPOKEN = [*BARE, Track("c", Path("c.wav"), transcript="hello there")]
KNOWN = [*BARE, Track("d", Path("d.wav"), reference_path=Path("d_clean.wav"))]


@pytest.mark.parametrize(
    ("metrics", "tracks", "blind"),
    [
        ({"wer": HearsWords()}, BARE, True),
        ({"wer": HearsWords()}, SPOKEN, False),
        ({"wer": HearsWords()}, KNOWN, True),
        ({"stoi": Stoi()}, KNOWN, False),
        ({"stoi": Stoi(), "wer": HearsWords()}, SPOKEN, False),
        ({"ears": HearsAll()}, BARE, False),
        # an alarm alone hears nothing of the voice
        ({"level_change_db": LevelChange()}, KNOWN, True),
        ({}, SPOKEN, True),
    ],
)
def test_a_guard_that_hears_nothing_is_refused(
    metrics: dict[str, Any], tracks: list[Track], blind: bool
) -> None:
    found = judging.blind_guard(GUARD, RULES, metrics, tracks)
    assert bool(found) == blind
    assert judging.blind_guard(NoGuard(), RULES, metrics, tracks) == []
    assert judging.blind_guard(Fallback(), RULES, metrics, tracks) == [], "as recorded runs had it"


def test_the_refusal_says_why_and_what_to_do() -> None:
    metrics = {"wer": HearsWords(), "level_change_db": LevelChange()}
    (found,) = judging.blind_guard(GUARD, RULES, metrics, BARE)
    assert "wer: no transcripts" in found
    assert "guard=none" in found
    (found,) = judging.blind_guard(GUARD, RULES, {}, BARE)
    assert "none is among the metrics" in found


SELECTION = BestOf({"deep": {"fusion": "min_mask", "separators": ["one"]}})
RESIDUAL = {"music_residual_db": MusicResidual()}


@pytest.mark.parametrize(
    ("metrics", "tracks", "separators", "told"),
    [
        ({"words_lost": WordsLost(), **RESIDUAL}, SPOKEN, ["one"], None),
        ({"wer_vs_mixture": WordsLost(), **RESIDUAL}, SPOKEN, ["one"], None),
        ({"words_lost": WordsLost()}, SPOKEN, ["one"], "music_residual_db"),
        (RESIDUAL, SPOKEN, ["one"], "metrics=[music_residual_db,words_lost,wer_vs_mixture]"),
        (RESIDUAL, BARE, ["one"], "take metrics=[music_residual_db,wer_vs_mixture]"),
        ({"words_lost": WordsLost(), **RESIDUAL}, BARE, ["one"], "words_lost: no transcripts"),
        ({"words_lost": WordsLost(), **RESIDUAL}, SPOKEN, ["two"], "one is not among separators"),
        ({"words_lost": Stoi(), **RESIDUAL}, SPOKEN, ["one"], "of words_lost more is better"),
    ],
)
def test_a_selection_that_could_not_choose_is_refused(
    metrics: dict[str, Any], tracks: list[Track], separators: list[str], told: str | None
) -> None:
    found = judging.blind_selection(SELECTION, separators, metrics, tracks)
    assert bool(found) == bool(told)
    assert not told or told in found[0]
    assert judging.blind_selection(None, separators, metrics, tracks) == []


def test_it_names_what_the_guard_does_not_hear() -> None:
    metrics = {"wer": HearsWords(), "stoi": Stoi()}
    said = judging.deafness(GUARD, RULES, metrics, SPOKEN)
    assert said is not None
    assert "stoi (no references)" in said
    assert "ears (not measured)" in said
    assert "wer" not in said
    assert judging.deafness(NoGuard(), RULES, metrics, SPOKEN) is None
    everything = {**metrics, "ears": HearsAll(), "level_change_db": LevelChange()}
    assert judging.deafness(GUARD, RULES, everything, SPOKEN + KNOWN) is None


def test_a_level_that_was_asked_for_is_no_harm() -> None:
    assert judging.fitting(RULES, [Loudness()]) is RULES
    asked = judging.fitting(RULES, [Loudness(target_lufs=-16.0)])
    assert asked.accusers == ["wer", "stoi", "ears"]


def test_names_that_are_no_metrics_are_told_wherever_they_stand() -> None:
    rules = Thresholds(
        ceiling={"stio": 0.97}, limit={"stoi": 1.0}, alarms=["wre"], only_where={"wer": {"lufz": 0}}
    )
    found = judging.unknown_metrics(rules, [])
    assert [one.partition(":")[0] for one in found] == [
        "verdict.ceiling.stio",
        "verdict.alarms",
        "verdict.only_where.wer.lufz",
    ]
    assert "did you mean stoi?" in found[0]
