"""One study, many processes: no point twice, nothing lost, orphaned trials found."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from speechclean.sweep import storage as storage_module
from speechclean.sweep.leases import CLAIMED_BY, RENEWED, RUN_BY, Leases
from speechclean.sweep.objective import Goals
from speechclean.sweep.plots import write_figures
from speechclean.sweep.sampling import next_point
from speechclean.sweep.search_space import space_of
from speechclean.sweep.settings import Settings, StudyError, folder_of, storage_of
from speechclean.sweep.space import Space, is_in, same
from speechclean.sweep.study import WITHDRAWN, Study
from tests.support.postgres import available, server

SPACE = space_of({"shifts": "choice(1,2,4)", "wet": "range(0,1.01,0.1)"}, [])[0]


def study(storage: str, **knobs: Any) -> Study:
    settings = Settings(
        study="test", storage=storage, startup_trials=4, **{"n_trials": 20, **knobs}
    )
    objective = [{"metric": "a_cleaned", "direction": "maximize"}]
    if knobs.get("sampler") == "nsgaii":
        objective.append({"metric": "b_cleaned", "direction": "minimize"})
    return Study(settings, storage_of(settings, Path("unused")), Goals.of(objective, [], True))


def values(params: dict[str, float], several: bool) -> list[float]:
    first = -((params["wet"] - 0.6) ** 2) + params["shifts"] / 10
    return [first, params["shifts"]] if several else [first]


def work(one: Study, space: Space = SPACE) -> int:
    """A worker: claims until there is nothing left."""
    done = 0
    with one.leases.hold() as me:
        while (trial := one.claim(me, space)) is not None:
            one.study.tell(trial.number, values(trial.params, len(one.goals.objectives) > 1))
            done += 1
    return done


@pytest.fixture(
    params=[
        "sqlite",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("journal", "postgresql")),
    ]
)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'study.db'}"
    elif request.param == "journal":
        yield f"journal:{tmp_path / 'study.log'}"
    elif not available():
        pytest.skip("no PostgreSQL programs here")
    else:
        with server() as address:
            yield f"{address}/postgres"


def test_two_workers_make_one_study(storage: str) -> None:
    context = multiprocessing.get_context("spawn")
    both = context.Barrier(2)
    workers = [context.Process(target=_worker, args=(storage, both), daemon=True) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    trials = study(storage).trials()
    assert len(trials) == 20, "n_trials is a total"
    assert len({same(trial.params) for trial in trials}) == 20, "no point twice"
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    assert len({trial.user_attrs[CLAIMED_BY] for trial in trials}) == 2, "both had work"


def test_nobody_claims_while_another_does(storage: str) -> None:
    """Without the lock two workers may both take the last trial, or one point."""
    one, other, claimed = study(storage), study(storage), []
    assert one.id == other.id, "both are open"
    claim = threading.Thread(target=lambda: claimed.append(other.claim("a lease", SPACE)))
    with one.exclusive():
        claim.start()
        claim.join(1.0)
        assert claim.is_alive()
        assert one.trials() == []
    claim.join(60)
    assert len(one.trials()) == len(claimed) == 1


def _worker(storage: str, both: threading.Barrier) -> None:
    one, met = study(storage), False
    with one.leases.hold() as me:
        while (trial := one.claim(me, SPACE)) is not None:
            # each has one before either has the rest, however long the other's start took
            if not met:
                both.wait(100)
                met = True
            one.study.tell(trial.number, values(trial.params, False))


@pytest.mark.parametrize(
    "sampler", ["tpe", pytest.param("gp", marks=pytest.mark.slow), "nsgaii", "random", "grid"]
)
def test_a_sweep_that_is_stopped_goes_on_as_it_would_have(tmp_path: Path, sampler: str) -> None:
    whole = study(f"sqlite:///{tmp_path / 'whole.db'}", sampler=sampler, n_trials=16)
    work(whole)
    for total in (5, 11, 16):
        work(study(f"sqlite:///{tmp_path / 'parts.db'}", sampler=sampler, n_trials=total))
    parts = study(f"sqlite:///{tmp_path / 'parts.db'}", sampler=sampler)
    assert [same(trial.params) for trial in parts.trials()] == [
        same(trial.params) for trial in whole.trials()
    ]


def test_a_space_is_used_up(tmp_path: Path) -> None:
    one = study(f"sqlite:///{tmp_path / 'a.db'}", n_trials=100)
    assert work(one) == 33
    assert next_point(one.settings, SPACE, ["maximize"], one.trials()) is None


def test_the_sampler_learns(tmp_path: Path) -> None:
    one = study(f"sqlite:///{tmp_path / 'a.db'}")
    work(one)
    assert one.study.best_params == {"shifts": 4, "wet": pytest.approx(0.6)}


def test_the_point_of_an_orphaned_trial_is_claimed_first(tmp_path: Path) -> None:
    one = study(f"sqlite:///{tmp_path / 'a.db'}")
    with one.leases.hold() as me:
        lost = one.claim(me, SPACE)
        assert lost is not None
        assert not one.leases.is_orphaned(one.running()[0])
    (left,) = one.running()
    assert one.leases.is_orphaned(left)
    one.withdraw(left, "killed")
    assert one.trials() == [], "it counts for nothing"
    assert one.study.trials[0].user_attrs[WITHDRAWN]
    with one.leases.hold() as me:
        again = one.claim(me, SPACE)
        assert again is not None
        assert same(again.params) == same(lost.params)
        other = one.claim(me, SPACE)
        assert other is not None
        assert same(other.params) != same(lost.params), "once"


def _hold(folder: Path, ready: object) -> None:
    import time

    with Leases(folder, 1).hold() as name:
        ready.put(name)  # type: ignore[attr-defined]
        time.sleep(600)


def test_the_lease_of_a_process_that_is_killed_is_stale(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    process = context.Process(target=_hold, args=(tmp_path, ready), daemon=True)
    process.start()
    name = ready.get(timeout=120)
    trial = optuna.trial.create_trial(value=0.0, user_attrs={CLAIMED_BY: name})
    leases = Leases(tmp_path, 1)
    assert not leases.is_orphaned(trial)
    process.kill()
    process.join()
    assert leases.is_orphaned(trial)


@pytest.mark.parametrize(("gone", "there"), [(CLAIMED_BY, RUN_BY), (RUN_BY, CLAIMED_BY)])
def test_a_trial_is_no_orphan_while_one_of_its_workers_lives(
    tmp_path: Path, gone: str, there: str
) -> None:
    """A launcher's job goes on when the sweep that claimed its trial is killed."""
    leases = Leases(tmp_path, 1)
    with leases.hold() as dead:
        pass
    with leases.hold() as living:
        trial = optuna.trial.create_trial(value=0.0, user_attrs={gone: dead, there: living})
        assert not leases.is_orphaned(trial)
    assert leases.is_orphaned(trial)


def test_where_no_file_is_shared_a_lease_that_is_not_renewed_is_stale() -> None:
    import time

    leases = Leases(None, stale_s=5)
    assert leases.is_orphaned(
        optuna.trial.create_trial(value=0.0, user_attrs={RENEWED: time.time() - 6})
    )
    study = optuna.create_study()
    trial = study.ask()
    with leases.renewed([trial]):
        pass  # its first beat is before its end, however short it is
    assert not leases.is_orphaned(study.trials[0])


def test_another_subject_is_refused(tmp_path: Path) -> None:
    one = study(f"sqlite:///{tmp_path / 'a.db'}")
    one.require_same_search({"inputs": "abc", "config.seed": 0})
    one.require_same_search({"inputs": "abc", "config.seed": 0})
    with pytest.raises(StudyError, match=r"config.seed \(0 then, 1 now\)"):
        one.require_same_search({"inputs": "abc", "config.seed": 1})
    with pytest.raises(StudyError, match="other objectives"):
        _ = study(f"sqlite:///{tmp_path / 'a.db'}", sampler="nsgaii").study


@pytest.mark.parametrize(
    ("knobs", "told"),
    [
        ({"sampler": "tqe"}, "must be one of"),
        ({"n_trials": 0}, "n_trials=0"),
        ({"n_trials": None}, "sampler=grid"),
        ({"study": ""}, "study="),
    ],
)
def test_settings_are_checked(knobs: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Settings(**{"study": "x", **knobs})  # type: ignore[arg-type]


def test_storages() -> None:
    settings = Settings(study="x", storage=None)
    assert storage_of(settings, Path("/a/b")) == "sqlite:////a/b/study.db"
    assert folder_of("sqlite:////a/b/study.db") == Path("/a/b")
    assert folder_of("postgresql://user@host/name") is None


def test_names_of_others_in_a_study_lead_to_no_file(tmp_path: Path) -> None:
    """A lease that is orphaned is removed: whoever writes to the storage could name any file."""
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    (tmp_path / "leases").mkdir()
    leases = Leases(tmp_path / "leases", 1.0)
    for name in ("../thesis.txt", str(thesis), 7, ["x"]):
        assert leases.is_orphaned(SimpleNamespace(user_attrs={CLAIMED_BY: name, RUN_BY: name}))
    assert thesis.read_text() == "years of work"
    away = Leases(None, 1.0)
    assert away.is_orphaned(SimpleNamespace(user_attrs={RENEWED: "soon"}))


def test_a_withdrawn_point_that_is_none_of_the_space_is_not_tried(tmp_path: Path) -> None:
    """Its values become words of a command line."""
    one = study(f"sqlite:///{tmp_path / 'study.db'}")
    wider = {**SPACE, "wet": optuna.distributions.FloatDistribution(0, 10)}
    one.study.add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.FAIL,
            params={"shifts": 1, "wet": 7.0},
            distributions=wider,
            user_attrs={WITHDRAWN: True},
        )
    )
    with one.leases.hold() as me:
        trial = one.claim(me, SPACE)
    assert trial is not None
    assert is_in(trial.params, SPACE)


def test_a_study_over_another_space_is_told(tmp_path: Path) -> None:
    one = study(f"sqlite:///{tmp_path / 'study.db'}")
    other = {**SPACE, "shifts": optuna.distributions.CategoricalDistribution(["1,hydra.run.dir=/"])}
    one.study.add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.FAIL,
            params={"shifts": "1,hydra.run.dir=/", "wet": 0.5},
            distributions=other,
        )
    )
    with one.leases.hold() as me, pytest.raises(StudyError, match="trials over other values"):
        one.claim(me, SPACE)


def test_a_file_that_another_process_keeps_locked_is_told_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "WRITE_TIMEOUT_S", 0.1)
    one = study(f"sqlite:///{tmp_path / 'study.db'}")
    assert one.id
    with sqlite3.connect(tmp_path / "study.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        with (
            pytest.raises(StudyError, match=r"database is locked.*same command.*journal:PATH"),
            one.storage.explained(),
        ):
            work(one)
    assert work(one) == 20, "the same command goes on"


def test_importance_is_computed_once_for_page_and_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    evaluator = optuna.importance.FanovaImportanceEvaluator

    def evaluate(_: Any, study: Any, params: Any = None, *, target: Any = None) -> dict[str, float]:  # noqa: ARG001
        asked.append(target(study.trials[0]))
        return {"x": 1.0}

    monkeypatch.setattr(evaluator, "evaluate", evaluate)
    made = optuna.create_study(directions=["maximize", "minimize"])
    made.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 2.0), n_trials=3)
    parts, written = write_figures(made, ["a", "b"], tmp_path)
    assert {"importance_1.png", "importance_2.png"} <= {path.name for path in written}
    assert {"importance_1", "importance_2"} <= {name for name, _, _ in parts}
    for _, _, html in parts:
        assert ' Plot"' not in html, "the page has a heading of its own for it"
        assert '"displayModeBar": false' in html
    assert asked == [made.trials[0].values[0], 2.0], "once for each objective"
