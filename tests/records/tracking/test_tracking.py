"""Runs end as what they were, whatever ended them; a store is created once, and what it cannot hold
is refused by name.

Everything stands on one store made once (mlflow's migrations take seconds); the race and the dead
processes get their own.
"""

import json
import logging
import math
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from speechclean.records.tracking import NOTE_TAG, MlflowTracker, NoTracker, Run, TrackingError
from speechclean.records.tracking.recorded_runs import Records
from speechclean.records.tracking.stale import LOCK_TAG
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> MlflowTracker:
    made = MlflowTracker(f"sqlite:///{tmp_path_factory.mktemp('störe with space')}/mlflow.db")
    made.prepare()
    return made


@pytest.fixture(scope="module")
def client(tracker: MlflowTracker) -> Any:
    return tracker._opened[0]


def status(client: Any, run: Run) -> str:
    return client.get_run(run.id).info.status


def record(client: Any, run: Run) -> Any:
    return client.get_run(run.id)


@contextmanager
def processes(
    number: int, code: str, uri: str, cwd: Path = ROOT
) -> Iterator[subprocess.Popen[str]]:
    """`number` processes that run `code` with a `tracker`, forked from one that imported mlflow
    once to save its seconds.

    Each prints what it likes; the parent prints `end PID STATUS` for each that ended, and ends
    after the last.
    """
    program = f"""
import os, sys, time
from speechclean.records.tracking import MlflowTracker
from speechclean.records.tracking.client import quieten as _quieten
_quieten()
import mlflow.store.tracking.sqlalchemy_store
def work():
    tracker = MlflowTracker({uri!r})
{textwrap.indent(textwrap.dedent(code), "    ")}
for _ in range({number}):
    if not os.fork():
        work()
        sys.exit()
for _ in range({number}):
    pid, status = os.wait()
    print("end", pid, os.waitstatus_to_exitcode(status), flush=True)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=cwd,
    )
    try:
        yield parent
    finally:
        parent.kill()
        parent.communicate()


def test_a_run_keeps_what_it_was_given(tracker: MlflowTracker, client: Any, tmp_path: Path) -> None:
    page = tmp_path / "ab" / "ü [1] $.txt"
    page.parent.mkdir()
    page.write_text("hello")
    with tracker.run("a readable name", {"signature": "abc", NOTE_TAG: "# What happened"}) as run:
        run.params(
            {"fusion": {"name": "mean"}, "separators": ["a", "b"], "wet": None, "bad[key]=": True}
        )
        run.metrics({"si_sdr": 4.5, "wer": None})
        for step in range(3):
            run.metrics({"stoi": step / 10}, step=step)
        run.tags({"git": "1234"})
        run.file(page, "one")
        run.folder(page.parent, "all")
        assert status(client, run) == "RUNNING"
    kept = record(client, run)
    assert kept.info.status == "FINISHED"
    assert kept.info.run_name == "a readable name"
    assert kept.data.params == {
        "fusion.name": "mean",
        "separators": "[a,b]",
        "wet": "null",
        "bad_key": "true",
    }
    assert kept.data.metrics == {"si_sdr": 4.5, "stoi": 0.2}
    assert [(m.step, m.value) for m in client.get_metric_history(run.id, "stoi")] == [
        (0, 0.0),
        (1, 0.1),
        (2, 0.2),
    ]
    assert kept.data.tags["signature"] == "abc"
    assert kept.data.tags["git"] == "1234"
    for folder in ("one", "all"):
        (artifact,) = client.list_artifacts(run.id, folder)
        assert Path(client.download_artifacts(run.id, artifact.path)).read_text() == "hello"
    assert not list(tracker._store.running.iterdir())


def test_long_values_are_cut_and_many_are_taken(tracker: MlflowTracker, client: Any) -> None:
    with tracker.run("long") as run:
        run.params({"config": "x" * 7000, **{f"p{i}": i for i in range(150)}})
        run.tags({"note": "y" * 9000})
        run.metrics({f"m{i}": i for i in range(1100)})
    kept = record(client, run)
    assert len(kept.data.params) == 151
    assert len(kept.data.metrics) == 1100
    assert len(kept.data.params["config"]) == 6000
    assert kept.data.params["config"].endswith("…")
    assert len(kept.data.tags["note"]) == 8000


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_was_not_measured_is_refused_by_name(
    tracker: MlflowTracker, client: Any, value: Any
) -> None:
    with pytest.raises(TrackingError, match="lufs_cleaned is"), tracker.run("bad") as run:
        run.metrics({"stoi": 0.5, "lufs_cleaned": value})
    assert record(client, run).data.metrics == {}
    assert status(client, run) == "FAILED"


def test_names_that_become_one_are_refused(tracker: MlflowTracker) -> None:
    with pytest.raises(TrackingError, match=r"a\[0\].*a_0"), tracker.run("clash") as run:
        run.params({"a[0]": 1, "a_0": 2})


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (ValueError("no such model"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(2), "FAILED"),
        (SystemExit("a reason"), "FAILED"),
        (SystemExit(0), "FINISHED"),
        (SystemExit(None), "FINISHED"),
    ],
)
def test_a_run_ends_as_its_block_ended(
    tracker: MlflowTracker, client: Any, error: BaseException, end: str
) -> None:
    with pytest.raises(type(error)), tracker.run("ends") as run:
        raise error
    kept = record(client, run)
    assert kept.info.status == end
    assert ("failure" in kept.data.tags) == (end != "FINISHED")
    if end != "FINISHED":
        assert kept.data.tags["failure"].startswith(type(error).__name__)


def test_terminate_ends_as_failed_and_kill_is_found_at_the_next_start(
    tracker: MlflowTracker, client: Any
) -> None:
    code = """
        with tracker.run("victim") as run:
            print(os.getpid(), run.id, flush=True)
            try:
                time.sleep(100)
            finally:
                print("tidied", os.getpid(), flush=True)
    """
    assert tracker.uri
    with processes(3, code, tracker.uri) as parent:
        assert parent.stdout
        victims = dict(parent.stdout.readline().split() for _ in range(3))
        (terminated, killed, living), ids = map(int, victims), list(victims.values())
        try:

            def states() -> list[str]:
                return [client.get_run(each).info.status for each in ids]

            assert states() == ["RUNNING"] * 3
            os.kill(terminated, signal.SIGTERM)
            assert parent.stdout.readline() == f"tidied {terminated}\n"
            assert parent.stdout.readline() == f"end {terminated} {128 + signal.SIGTERM}\n"
            os.kill(killed, signal.SIGKILL)
            assert parent.stdout.readline() == f"end {killed} {-signal.SIGKILL}\n"
            assert states() == ["FAILED", "RUNNING", "RUNNING"]
            tracker.prepare()
            assert states() == ["FAILED", "FAILED", "RUNNING"], (
                "the dead one is marked, the living one is left alone"
            )
            dead = client.get_run(ids[1])
            assert "its process ended" in dead.data.tags["failure"]
            assert dead.info.end_time
        finally:
            os.kill(living, signal.SIGHUP)
            parent.wait(120)
        assert states() == ["FAILED"] * 3
    assert not list(tracker._store.running.iterdir())


def test_a_run_that_another_tool_started_is_left_alone(tracker: MlflowTracker, client: Any) -> None:
    foreign = client.create_run(tracker._opened[1])
    tracker.prepare()
    assert client.get_run(foreign.info.run_id).info.status == "RUNNING"
    client.set_terminated(foreign.info.run_id)


@pytest.mark.parametrize("where", ["relative", "absolute"])
def test_a_run_that_names_somebodys_file_as_its_lock_leaves_it_alone(
    tracker: MlflowTracker, client: Any, tmp_path: Path, where: str
) -> None:
    """Claiming a lock truncates and removes the file."""
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    running = tracker._store.running
    running.mkdir(parents=True, exist_ok=True)
    lock = os.path.relpath(thesis, running) if where == "relative" else str(thesis)
    hostile = client.create_run(tracker._opened[1], tags={LOCK_TAG: lock})
    tracker.prepare()
    assert thesis.read_text() == "years of work"
    assert client.get_run(hostile.info.run_id).info.status == "RUNNING"
    client.set_terminated(hostile.info.run_id)


def test_a_place_of_artifacts_with_a_password_is_refused() -> None:
    """The store shows it to everybody."""
    with pytest.raises(ValueError, match="artifacts holds a password"):
        MlflowTracker(artifacts="s3://key:secret@bucket/x")


def test_passwords_are_in_no_tag_param_or_input(tracker: MlflowTracker, client: Any) -> None:
    uri = "postgresql://me:p@ss/hunter2@host/db?token=hunter2"
    with suppress(ZeroDivisionError), tracker.run("masked", {"store": uri}) as run:
        run.params({"storage": uri, "several": [uri]})
        run.tags({"note": f"at {uri}: x"})
        run.dataset("folder", "d1", json.dumps({"uri": uri}), "{}")
        raise ZeroDivisionError(f"no answer from {uri}")
    assert status(client, run) == "FAILED"
    kept = record(client, run)
    assert "hunter2" not in str(kept.to_dictionary())
    assert kept.data.params["storage"] == "postgresql://me:***@host/db?token=***"


@pytest.mark.slow
def test_four_processes_create_one_store(tmp_path: Path) -> None:
    code = """
        while not os.path.exists("go"):
            time.sleep(0.01)
        tracker.prepare()
        for i in range(3):
            with tracker.run(f"run {i}") as run:
                run.metrics({"m": i})
    """
    with processes(4, code, "sqlite:///mlflow.db", cwd=tmp_path) as parent:
        (tmp_path / "go").touch()
        said, chatter = parent.communicate(timeout=120)
    assert [line.split()[-1] for line in said.splitlines()] == ["0"] * 4, chatter
    assert chatter == "", "nothing of mlflow's talk reaches the terminal"
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        assert store.execute("select status, count(*) from runs group by status").fetchall() == [
            ("FINISHED", 12)
        ]
        assert store.execute(
            "select count(*) from experiments where name='speechclean'"
        ).fetchall() == [(1,)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["go", "mlartifacts", "mlflow.db"]


def test_logging_of_the_program_is_left_as_it_was(tracker: MlflowTracker) -> None:
    before = list(logging.getLogger().handlers), logging.getLogger().level
    tracker.check()
    tracker.prepare()
    assert (list(logging.getLogger().handlers), logging.getLogger().level) == before


@pytest.mark.parametrize(
    ("uri", "advice"),
    [
        ("http://127.0.0.1:9", "tracking.uri"),
        ("postgresql://me:secret@127.0.0.1:9/db", "no database answers at 127.0.0.1:9"),
        ("./mlruns", "sqlite:///./mlruns/mlflow.db"),
        ("sqlite:///:memory:", "tracking=none"),
        ("sqlite:////dev/null/mlflow.db", "is not a folder"),
        ("nonsense://x", "tracking=none"),
    ],
)
def test_a_store_that_cannot_be_used_is_told_at_once(uri: str, advice: str) -> None:
    started = time.monotonic()
    with pytest.raises(TrackingError) as caught:
        MlflowTracker(uri, timeout_s=2).check()
    assert advice in str(caught.value)
    assert "secret" not in str(caught.value)
    assert time.monotonic() - started < 30, "minutes, by mlflow's own patience"


def test_a_file_that_is_no_store_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.write_text("my diary, not a database")
    with pytest.raises(TrackingError, match="not a sqlite file"):
        MlflowTracker(f"sqlite:///{file}").check()
    assert file.read_text() == "my diary, not a database"


def test_a_deleted_experiment_is_told(tracker: MlflowTracker, client: Any) -> None:
    gone = MlflowTracker(tracker.uri, experiment="gone")
    gone.prepare()
    client.delete_experiment(gone._opened[1])
    with pytest.raises(TrackingError, match="restore"):
        MlflowTracker(tracker.uri, experiment="gone").check()


def test_bad_fields_are_told_on_construction() -> None:
    with pytest.raises(ValueError, match="experiment is empty"):
        MlflowTracker(experiment=" ")
    with pytest.raises(ValueError, match="timeout_s must"):
        MlflowTracker(timeout_s=0)


def test_a_change_of_folder_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = MlflowTracker()
    assert made._store.sqlite == tmp_path / "mlflow.db"
    monkeypatch.chdir("/")
    assert made._store.sqlite == tmp_path / "mlflow.db"


def test_no_tracker_takes_everything_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tracker = NoTracker()
    tracker.check()
    tracker.prepare()
    with tracker.run("name", {"a": "b"}) as run:
        run.params({"a": 1})
        run.tags({"a": "b"})
        run.metrics({"a": None}, step=1)
        run.file(tmp_path / "none")
        run.folder(tmp_path)
    assert run.id is None
    assert not list(tmp_path.iterdir())


def test_mlflow_is_imported_late() -> None:
    code = (
        "import sys, json, speechclean.records.tracking; "
        "print(json.dumps([m for m in ('mlflow', 'sqlalchemy') if m in sys.modules]))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert json.loads(out.stdout) == []


@pytest.mark.parametrize("name", ["100%25", "a%20b", "was?", "run #1", "it's; x=[y]"])
def test_a_store_lies_in_its_folder_whatever_that_is_called(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    tracker = MlflowTracker(f"sqlite:///{folder}/mlflow.db", system_metrics_s=0)
    tracker.prepare()
    with tracker.run("here") as run:
        run.metrics({"a": 1.0})
    assert Records(tracker.uri).get("here").metrics["a"] == 1.0
    assert (folder / "mlflow.db").stat().st_size
    assert list(tmp_path.iterdir()) == [folder]
