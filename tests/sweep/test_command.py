"""Whole sweeps, as commands: on small networks and short files, with everything else as users have
it."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from sqlalchemy.exc import SQLAlchemyError

from speechclean.audio.sound_files import save
from speechclean.records.tracking import Records
from speechclean.sweep.study import WITHDRAWN
from tests.conftest import noise, tone
from tests.support.paths import ROOT
from tests.support.postgres import available, server
from tests.support.waiting import wait_for

SPACE = (
    "{shifts: 'choice(1,2)', overlap: 'choice(0.1,0.5)', "
    "postprocess.beta_wiener.beta: 'range(0,1.01,0.25)', enhancement.wet: 'choice(0,0.5)'}"
)


@pytest.fixture(scope="module")
def place(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three files, their references, and what a command line needs to know of
    them."""
    folder = tmp_path_factory.mktemp("sweep")
    rows = []
    for index in range(3):
        voice, music = tone(300 + 100 * index, 1.2), noise(1.2, seed=index)
        save(voice, folder / f"voice{index}.wav")
        save(
            voice.with_waveform(0.6 * (voice.waveform + music.waveform)), folder / f"mix{index}.wav"
        )
        rows.append(
            {"path": f"mix{index}.wav", "reference": f"voice{index}.wav", "alias": f"f{index}"}
        )
    with (folder / "set.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (folder / "models").symlink_to(models)
    return folder


def command(place: Path, work: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "speechclean", "-m"),
        *(
            "dataset=manifest",
            f"dataset.path={place / 'set.csv'}",
            "separators=[local]",
            "device=cpu",
        ),
        *(
            "separators.local.name=one",
            f"separators.local.path={place / 'models'}",
            "separators.local.accompaniment=stems",
        ),
        *(
            f"cache.dir={work / 'cache'}",
            "metrics=[si_sdr]",
            "sweep.startup_trials=3",
            "sweep.prune_p=0",
        ),
        *more,
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def run(place: Path, work: Path, *more: str, status: int = 0) -> str:
    work.mkdir(exist_ok=True)
    done = subprocess.run(
        command(place, work, *more), cwd=work, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def study_of(work: Path, name: str, storage: str | None = None) -> optuna.Study:
    return optuna.load_study(
        study_name=name, storage=storage or f"sqlite:///{work / 'multirun' / name / 'study.db'}"
    )


def counted(study: optuna.Study) -> list[Any]:
    return [trial for trial in study.trials if not trial.user_attrs.get(WITHDRAWN)]


def agree(work: Path, study: optuna.Study) -> None:
    """The study and the tracking store hold the same trials with the same values, each once, all
    below one parent."""
    records = Records(f"sqlite:///{work / 'mlflow.db'}")
    children = records.children(study.user_attrs["parent_run"])
    whole = [
        one
        for one in children
        if one.status == "FINISHED" and one.tags.get("trial_state") == "COMPLETE"
    ]
    recorded = sorted((int(one.tags["trial"]), one.metrics["objective"]) for one in whole)
    complete = sorted(
        (trial.number, trial.value) for trial in study.trials if trial.state.name == "COMPLETE"
    )
    assert recorded == complete
    assert not [one for one in children if one.status == "RUNNING"]
    points = [tuple(sorted(trial.params.items())) for trial in counted(study)]
    assert len(points) == len(set(points)), "a point was evaluated twice"


@pytest.mark.slow
def test_a_sweep_is_killed_and_goes_on(place: Path, tmp_path: Path) -> None:
    space = SPACE.replace("choice(0,0.5)", "choice(0,0.5,7)")  # wet=7 is refused by its class
    more = ["sweep=optuna", "sweep.n_trials=10", f"sweep.space={space}", "sweep.max_failures=9"]
    more += ["fusion=mean_mask,max_mask,no_mask"]  # the last one is refused by Hydra
    process = subprocess.Popen(
        command(place, tmp_path, *more),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    # two lines of the sweep's own, then a line per trial
    told = [process.stdout.readline() for _ in range(5)]
    process.kill()
    process.wait()
    assert "maximize si_sdr_improvement, since every file has a reference" in told[0]
    assert told[4].startswith("3/10"), told
    left = study_of(tmp_path, "optuna").trials
    again = run(place, tmp_path, *more)
    assert "of 10 trials are there" in again
    study = study_of(tmp_path, "optuna")
    agree(tmp_path, study)
    ended = [trial for trial in left if trial.state.is_finished()]
    assert [trial.params for trial in study.trials[: len(ended)]] == [
        trial.params for trial in ended
    ]
    assert len(counted(study)) == 10
    assert "10/10" in again
    reasons = {
        trial.number: trial.user_attrs["reason"]
        for trial in counted(study)
        if trial.state.name == "FAIL"
    }
    for trial in counted(study):
        if trial.params["fusion"] == "no_mask":
            assert "no_mask" in reasons[trial.number]
        elif trial.params["enhancement.wet"] == 7:
            assert "wet=7 must be between 0 and 1" in reasons[trial.number]
        else:
            assert trial.state.name == "COMPLETE"
    # Each estimate is computed once, however many trials ask for it.
    complete = [trial for trial in counted(study) if trial.state.name == "COMPLETE"]
    keys = {(trial.params["shifts"], trial.params["overlap"]) for trial in complete}
    free = [
        trial
        for trial in complete
        if trial.user_attrs["reuse"].get("reuse.separator_forwards", 0) == 0
    ]
    assert len(free) >= len(complete) - len(keys)
    folder = tmp_path / "multirun" / "optuna"
    page = (folder / "study.html").read_text()
    assert "https://cdn" not in page.partition("<h1>")[2]
    assert "Plotly.newPlot" in page
    assert (folder / "history.png").read_bytes().startswith(b"\x89PNG")
    best = study.best_trial
    assert (
        yaml.safe_load((folder / "best.yaml").read_text()).get("shifts", 1) == best.params["shifts"]
    )
    with (folder / "trials.csv").open(newline="") as file:
        assert [int(row["trial"]) for row in csv.DictReader(file)] == [
            trial.number for trial in counted(study)
        ]
    parent = Records(f"sqlite:///{tmp_path / 'mlflow.db'}").get("optuna")
    assert parent.status == "FINISHED"
    assert parent.metrics["best"] == best.value
    assert {
        "best.yaml",
        "history.png",
        "study.html",
        "summary.md",
        "trials.csv",
    } <= parent.artifacts()


def trials_of(work: Path) -> list[Any]:
    """All trials of a study that may not be there yet."""
    try:
        return study_of(work, "optuna").trials
    except (KeyError, SQLAlchemyError):  # its tables are being made
        return []


def complete(work: Path) -> dict[int, float]:
    """The finished trials' values."""
    return {
        trial.number: trial.value for trial in trials_of(work) if trial.state.name == "COMPLETE"
    }


def killed_and_resumed(place: Path, work: Path, kills: int, trials: int, seed: int) -> int:
    """A parallel sweep, killed with all its workers at random moments until it is through; how
    often it was killed."""
    draw = random.Random(seed)
    more = [
        "sweep=optuna",
        f"sweep.n_trials={trials}",
        f"sweep.space={SPACE}",
        "hydra/launcher=joblib",
    ]
    more += ["hydra.launcher.n_jobs=2", "sweep.n_jobs=2"]
    work.mkdir(exist_ok=True)
    finished: dict[int, float] = {}
    killed = 0

    def has_claimed(trials: int) -> bool:
        return len(trials_of(work)) > trials

    def has_gone_on(moment: float, trials: int) -> bool:
        return time.monotonic() > moment or len(complete(work)) >= trials

    for _ in range(kills):
        process = subprocess.Popen(
            command(place, work, *more), cwd=work, env=environment(), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        claimed = len(trials_of(work))
        # into the work of this session
        wait_for(partial(has_claimed, claimed), process)
        # Then a moment of chance; on a fast machine it ends with two more finished trials, so that
        # some are left to kill.
        moment, enough = time.monotonic() + draw.uniform(0, 2.0), len(finished) + 2
        wait_for(partial(has_gone_on, moment, enough), process)
        ended = process.poll()
        if ended is None:  # its workers die with it, whatever becomes of it in between
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
        now = complete(work)
        assert now.items() >= finished.items(), "a finished trial was lost or changed"
        finished = now
        if ended is not None:
            assert ended == 0, "it ended by itself, and not well"
            break
    run(place, work, *more)
    study = study_of(work, "optuna")
    assert {trial.state.name for trial in counted(study)} == {"COMPLETE"}
    assert len(counted(study)) == trials
    assert {
        trial.number: trial.value for trial in study.trials if trial.value is not None
    }.items() >= finished.items()
    agree(work, study)
    # What was read from the store under all this is what is computed without it.
    serial = [one for one in more if "jobs" not in one and "launcher" not in one]
    serial += ["sweep.study=alone", "sweep.sampler=random", "cache.enabled=false", "tracking=none"]
    alone = run(place, work, *serial)
    assert "0 reused" in alone
    values = {tuple(sorted(trial.params.items())): trial.value for trial in counted(study)}
    again = {
        tuple(sorted(trial.params.items())): trial.value for trial in study_of(work, "alone").trials
    }
    both = values.keys() & again.keys()
    assert both
    assert all(values[point] == again[point] for point in both)
    return killed


@pytest.mark.slow
def test_killed_twenty_times_it_goes_on(place: Path, tmp_path: Path) -> None:
    assert killed_and_resumed(place, tmp_path / "work", kills=20, trials=30, seed=1) >= 10


@pytest.mark.slow
@pytest.mark.skipif(not available(), reason="no PostgreSQL programs here")
def test_two_commands_on_postgresql_make_one_front(place: Path, tmp_path: Path) -> None:
    with server() as address:
        uri = f"{address}/postgres"
        more = ["sweep=pareto", "sweep.n_trials=14", f"sweep.space={SPACE}", f"sweep.storage={uri}"]
        more += ["metrics=[si_sdr,si_sir,si_sar]"]
        workers = [
            subprocess.Popen(
                command(place, tmp_path, *more),
                cwd=tmp_path,
                env=environment(),
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        told = [worker.communicate()[0] for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0], told
        study = study_of(tmp_path, "pareto", uri)
        assert len(counted(study)) == 14
        points = {tuple(sorted(trial.params.items())) for trial in counted(study)}
        assert len(points) == 14
        assert all("trial" in one for one in told)
        fronts = [one.partition("The Pareto front:")[2].partition("Look in")[0] for one in told]
        assert fronts[0] == fronts[1]
        records = Records(f"sqlite:///{tmp_path / 'mlflow.db'}")
        children = records.children(study.user_attrs["parent_run"])
        assert sorted(
            int(one.tags["trial"]) for one in children if one.status == "FINISHED"
        ) == list(range(14))
