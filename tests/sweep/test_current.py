"""The config as it stands is the first trial, and the others are compared with it."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from speechclean.sweep.objective import Goals
from speechclean.sweep.ranking import best_trial, leaders
from speechclean.sweep.search_space import space_of
from speechclean.sweep.settings import Settings, StudyError, storage_of
from speechclean.sweep.space import is_in, same
from speechclean.sweep.study import Study

SPACE = space_of(
    {"rule": "choice(max,mean)", "weight": "choice(1,2,3)", "beta": "range(0,1.01,0.1)"},
    [],
    {"weight": "rule is mean"},
)[0]
GOALS = Goals.of(
    {"metric": "music_cleaned", "direction": "minimize"}, ["words <= current + 1"], True
)


def study(folder: Path, **knobs: object) -> Study:
    settings = Settings(
        **{"study": "s", "n_trials": 20, "startup_trials": 5, "current": True, **knobs}  # type: ignore[arg-type]
    )
    return Study(settings, storage_of(settings, folder), GOALS)


def end(one: Study, trial: optuna.trial.Trial, words: float, music: float) -> None:
    """As a trial's process does."""
    means = {"words_cleaned": words, "music_cleaned": music}
    trial.set_user_attr("means", means)
    current = one.trials()[0].user_attrs["means"]
    for bound in one.goals.constraints:
        trial.set_constraint(bound.text, bound.violation(means, current))
    one.study.tell(trial.number, music)


def test_nothing_else_is_tried_before_it_has_ended(tmp_path: Path) -> None:
    one = study(tmp_path)
    with one.leases.hold() as me:
        first = one.claim(me, SPACE)
        assert first is not None
        assert first.params == {}
        assert one.claim(me, SPACE) is None, "what would it be compared with?"
        end(one, first, 3, -30)
        second = one.claim(me, SPACE)
        assert second is not None
        assert is_in(second.params, SPACE)


def test_a_withdrawn_one_is_tried_again_and_a_failed_one_ends_the_study(tmp_path: Path) -> None:
    one = study(tmp_path)
    with one.leases.hold() as me:
        for _ in range(2):
            first = one.claim(me, SPACE)
            assert first is not None
            assert first.params == {}
            last = one.study.trials[first.number]
            one.withdraw(last, "killed") if not first.number else one.fail(last.number, "no memory")
        with pytest.raises(StudyError, match=r"as it stands.*failed: no memory"):
            one.claim(me, SPACE)


@pytest.mark.parametrize(
    "sampler", ["tpe", *(pytest.param(one, marks=pytest.mark.slow) for one in ("gp", "random"))]
)
def test_knobs_that_hang_on_others_are_searched_within_the_bound(
    tmp_path: Path, sampler: str
) -> None:
    """Less music where words are lost: the bound, not the music, decides."""

    def work(one: Study, count: int) -> None:
        with one.leases.hold() as me:
            for _ in range(count):
                trial = one.claim(me, SPACE)
                assert trial is not None
                beta, weight = trial.params.get("beta", 0), trial.params.get("weight", 1)
                end(one, trial, 3 + 4 * beta * (3 - weight), -30 - 20 * beta)

    whole, parts = study(tmp_path / "a", sampler=sampler), study(tmp_path / "b", sampler=sampler)
    work(whole, 20)
    for count in (1, 6, 13):
        work(study(tmp_path / "b", sampler=sampler), count)
    points = [same(trial.params) for trial in whole.trials()]
    assert points == [same(trial.params) for trial in parts.trials()], "goes on as it would have"
    assert len(set(points)) == 20
    for trial in whole.trials()[1:]:
        assert ("weight" in trial.params) == (trial.params["rule"] == "mean")
    best = best_trial(whole.trials(), GOALS)
    assert best is not None
    assert 4 * best.params["beta"] * (3 - best.params.get("weight", 1)) <= 1
    assert best.values[0] < -30
    first, *_ = leaders(whole.trials(), GOALS, 3)
    assert first.number == best.number
    assert whole.trials()[0] not in leaders(whole.trials(), GOALS, 20)


@pytest.mark.parametrize(
    ("budget", "seconds"), [("90s", 90), ("30m", 1800), ("1.5 h", 5400), ("45", 45), (None, None)]
)
def test_a_budget_is_a_time(budget: str | None, seconds: float | None) -> None:
    assert Settings(study="s", budget=budget).budget_s == seconds


@pytest.mark.parametrize("budget", ["soon", "0m", "-5m", "3 weeks"])
def test_what_is_no_time_is_no_budget(budget: str) -> None:
    with pytest.raises(ValueError, match="must be a time such as"):
        Settings(study="s", budget=budget)
