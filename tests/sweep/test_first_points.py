"""What is known to be good is tried before anything is drawn at random."""

from __future__ import annotations

from typing import Any

import pytest

from speechclean.experiment.config.compose import composed
from speechclean.sweep.first_points import first_points
from speechclean.sweep.sampling import next_point
from speechclean.sweep.search_space import space_of
from speechclean.sweep.settings import Settings
from speechclean.sweep.space import is_in

SPACE = {
    "separators": "choice([a],[a,b])",
    "fusion": "choice(mean,max)",
    "weight": "choice({a:1},{a:1,b:2})",
    "depth": "range(0,1.01,0.1)",
}
CONDITIONS = {"weight": "fusion is mean"}
POINTS: list[dict[str, Any]] = [
    {"separators": ["a", "b"], "fusion": "mean", "weight": {"a": 1, "b": 2}, "depth": 0.3},
    {"separators": "[a]", "fusion": "max", "depth": 1},
]


def found(points: list[dict[str, Any]], *arguments: str) -> list[dict[str, Any]]:
    return first_points(points, SPACE, space_of(SPACE, arguments, CONDITIONS)[0])


def test_points_have_the_values_of_the_space() -> None:
    first, second = found(POINTS)
    assert first == {"separators": "[a,b]", "fusion": "mean", "weight": "{a:1,b:2}", "depth": 0.3}
    assert second == {"separators": "[a]", "fusion": "max", "depth": 1}


def test_what_the_command_line_fixes_is_left_out_and_what_it_excludes_drops_a_point() -> None:
    assert found(POINTS, "separators=[a]") == [
        {"fusion": "mean", "weight": "{a:1,b:2}", "depth": 0.3},
        {"fusion": "max", "depth": 1},
    ]
    assert [one["fusion"] for one in found(POINTS, "separators=[a],[c]")] == ["max"]
    assert found(POINTS, "beta=1,2") == [], "they have no value for what is searched besides"


def test_two_that_come_to_the_same_are_one() -> None:
    points = [{**POINTS[1], "separators": one} for one in ("[a]", "[a,b]")]
    assert len(found(points)) == 2
    assert found(points, "separators=[a]") == [{"fusion": "max", "depth": 1}]


def test_a_key_that_is_not_searched_is_told() -> None:
    with pytest.raises(ValueError, match=r"sweep.first\[1\]: fusoin not in sweep.space"):
        found([POINTS[0], {**POINTS[1], "fusoin": "max"}])


def test_they_come_before_the_samplers_own_and_once() -> None:
    settings = Settings(study="s", space=SPACE, first=POINTS, startup_trials=1)
    space, _ = space_of(SPACE, [], CONDITIONS)
    import optuna

    trials: list[optuna.trial.FrozenTrial] = []
    for number in range(4):
        proposed = next_point(settings, space, ["minimize"], trials)
        assert proposed is not None
        point = proposed[0]
        assert (point in found(POINTS)) == (number < 2)
        distributions = {key: space[key] for key in point}
        trials.append(
            optuna.trial.create_trial(params=point, distributions=distributions, value=1.0)
        )


@pytest.mark.parametrize("search", ["tune", "tune_untranscribed"])
def test_those_that_ship_are_points_of_their_space(search: str) -> None:
    cfg = composed([f"sweep={search}", "dataset=pilot"])
    settings = Settings.of(cfg)
    assert len(settings.first) == 5
    standing = {"enhancement": "none"}.get
    space, _ = space_of(settings.space, [], settings.conditions, standing)
    points = first_points(settings.first, settings.space, space)
    assert len(points) == len(settings.first)
    assert all(is_in(point, space) for point in points)
    assert len(points) < settings.startup_trials
