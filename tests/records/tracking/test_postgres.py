"""A real Postgres as the store: made on first use, by several processes at once; a wrong password
is told at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from speechclean.records.tracking import MlflowTracker, Records, TrackingError
from tests.support import postgres
from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address, without a database, of a Postgres that lives as long as this module's tests; the
    password is `secret`."""
    pytest.importorskip("psycopg", reason="no driver: pip install 'speechclean[postgres]'")
    if not postgres.program("initdb") or not postgres.program("pg_ctl"):
        pytest.skip("Postgres is not installed: apt-get install postgresql")
    if not postgres.available():
        pytest.skip("Postgres does not run as root, and there is no user `postgres`")
    with postgres.server("secret") as address:
        yield address


def new_database(server: str, name: str) -> str:
    import psycopg

    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{server}/{name}"


def counted(uri: str, query: str) -> list[tuple[object, ...]]:
    import psycopg

    with psycopg.connect(uri) as connection:
        return connection.execute(query).fetchall()


def together(uri: str, folder: Path, processes: int, runs: int) -> None:
    """Each process opens the store, which is not there yet, at the same moment, and logs its
    runs."""
    code = """
import os, sys, time
from pathlib import Path
from speechclean.records.tracking import MlflowTracker
from speechclean.records.tracking.client import quieten
quieten()
import mlflow.store.tracking.sqlalchemy_store
uri, processes, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def work(process):
    while not Path("go").exists():
        time.sleep(0.01)
    tracker = MlflowTracker(uri, system_metrics_s=0)
    tracker.prepare()
    for i in range(runs):
        with tracker.run(f"run {i} of {process}") as run:
            run.params({"p": i})
            run.dataset("set", "d", "{}", "{}")
            for step in range(5):
                run.metrics({"m": step}, step=step)
            run.file(Path("go"))
children = []
for process in range(processes):
    child = os.fork()
    if not child:
        work(process)
        sys.exit()
    children.append(child)
Path("go").write_text("now")
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""
    settings = os.environ | {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(folder / "state")}
    line = [sys.executable, "-c", code, uri, str(processes), str(runs)]
    done = subprocess.run(
        line, cwd=folder, env=settings, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert counted(uri, "select status, count(*) from runs group by status") == [
        ("FINISHED", processes * runs)
    ]
    assert counted(uri, "select count(*) from metrics where key = 'm'") == [(5 * processes * runs,)]
    assert counted(uri, "select count(*) from params") == [(processes * runs,)]
    assert counted(uri, "select count(*) from experiments where name = 'speechclean'") == [(1,)]
    assert len(list(folder.glob("mlartifacts/speechclean/*/artifacts/go"))) == processes * runs


@pytest.mark.slow
def test_three_processes_make_one_store(server: str, tmp_path: Path) -> None:
    together(new_database(server, "three"), tmp_path, 3, 2)


@pytest.mark.slow
def test_six_processes_log_ten_runs_each(server: str, tmp_path: Path) -> None:
    together(new_database(server, "six"), tmp_path, 6, 10)


def test_files_go_where_every_machine_reaches_them(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = new_database(server, "shared")
    for name in ("one", "two"):  # two machines, in effect
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / name / "state"))
        tracker = MlflowTracker(uri, artifacts=str(tmp_path / "share"), system_metrics_s=0)
        with tracker.run(name) as run:
            Path("kept.txt").write_text(name)
            run.file(Path("kept.txt"))
    assert len(list(tmp_path.glob("share/speechclean/*/artifacts/kept.txt"))) == 2
    assert not (tmp_path / "one/mlartifacts").exists()
    record = Records(uri).get("one")
    found = record.artifact("kept.txt")
    assert found
    assert found.read_text() == "one"


def test_what_postgres_refuses_is_told_at_once(server: str) -> None:
    for uri, advice in (
        (server.replace(":secret@", ":swordfish@") + "/postgres", "password authentication failed"),
        (f"{server}/nowhere", "does not exist"),
    ):
        started = time.monotonic()
        with pytest.raises(TrackingError, match=advice) as raised:
            MlflowTracker(uri, timeout_s=5).check()
        assert time.monotonic() - started < 60
        assert "swordfish" not in str(raised.value)
        assert "secret" not in str(raised.value)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlalchemy

    def without(_uri: str) -> None:
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")

    monkeypatch.setattr(sqlalchemy, "create_engine", without)
    monkeypatch.setattr("speechclean.records.tracking.checks._check_port", lambda *_: None)
    with pytest.raises(
        TrackingError, match=r"psycopg is not installed; pip install 'speechclean\[postgres\]'"
    ):
        MlflowTracker("postgresql://me@127.0.0.1/db", timeout_s=2).check()
