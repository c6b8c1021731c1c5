"""What a trial is worth, and what is said when that cannot be told."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from speechclean.sweep.objective import Goals, ObjectiveError

MEANS = {
    "si_sdr_improvement": 6.0,
    "wer_cleaned": 0.3,
    "wer_mixture": 0.25,
    "stoi_cleaned": 0.8,
    "cost_per_audio_second": 0.5,
}


def goals(objective: object, *constraints: str) -> Goals:
    return Goals.of(objective, constraints, True)


def test_a_metric_and_a_weighted_sum() -> None:
    one = goals({"metric": "si_sdr_improvement", "direction": "maximize"}).objectives[0]
    assert (one.name, one.value(MEANS)) == ("si_sdr_improvement", 6.0)
    both = goals(
        {"terms": {"si_sdr_improvement": 1, "wer_cleaned": -20}, "direction": "maximize"}
    ).objectives[0]
    assert both.value(MEANS) == pytest.approx(0.0)
    assert both.name == "+1·si_sdr_improvement -20·wer_cleaned"
    assert (
        not goals({"metric": "cost_per_audio_second", "direction": "minimize"})
        .objectives[0]
        .by_file
    )


@pytest.mark.parametrize(
    ("text", "violation"),
    [
        ("wer <= mixture + 0.02", 0.03),
        ("wer_cleaned ≤ wer_mixture + 0.1", -0.05),
        ("stoi >= 0.9", 0.1),
        ("stoi_cleaned >= 0.75", -0.05),
        ("cost_per_audio_second <= 0.25", 0.25),
        ("si_sdr_improvement >= 2e0", -4.0),
        ("wer <= mixture - 0.1", 0.15),
        ("wer<=mixture", 0.05),
    ],
)
def test_constraints(text: str, violation: float) -> None:
    made = goals(None, text).constraints[0]
    assert made.violation(MEANS) == pytest.approx(violation)


@pytest.mark.parametrize(
    "text", ["wer", "wer < 0.1", "wer <= ", "<= 0.1", "wer <= mixture * 2", "wer <= 1.2.3"]
)
def test_what_is_no_constraint_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="constraints"):
        goals(None, text)


@pytest.mark.parametrize(
    "objective",
    [
        {"metric": "si_sdr_improvement"},
        {"metric": "si_sdr_improvement", "direction": "up"},
        {"metric": "a", "terms": {"a": 1}, "direction": "maximize"},
        {"metrik": "a", "direction": "maximize"},
        "si_sdr_improvement",
    ],
)
def test_what_is_no_objective_is_said(objective: object) -> None:
    with pytest.raises(ValueError, match="objective"):
        goals(objective)


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_what_is_no_number_is_an_error_with_a_name(value: float | None) -> None:
    means = {} if value is None else {"si_sdr_improvement": value}
    with pytest.raises(ObjectiveError, match="si_sdr_improvement"):
        goals(None).objectives[0].value(means)


def test_names_are_held_against_the_metrics() -> None:
    metrics = {
        "si_sdr": SimpleNamespace(higher_is_better=True),
        "lufs": SimpleNamespace(higher_is_better=None),
    }
    for name, told in [
        ("si_sdr_improvement", None),
        ("cost_per_audio_second", None),
        ("lufs_change", None),
        ("stoi_cleaned", "needs the metric stoi"),
        ("lufs_improvement", "called lufs_change"),
        ("si_sdr", "is no mean"),
    ]:
        wrong = goals({"metric": name, "direction": "maximize"}).unmeasured(metrics)
        assert (told in wrong[0]) if told else not wrong


def test_the_default_asks_for_what_is_there() -> None:
    assert Goals.of(None, (), True).objectives[0].name == "si_sdr_improvement"
    assert "wer_vs_mixture_cleaned" in Goals.of(None, (), False).objectives[0].terms
