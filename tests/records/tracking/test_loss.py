"""A store that is down, or goes down: nothing is lost, nothing half-logged is FINISHED, and it is
told loudly."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from speechclean.records.tracking import MlflowTracker, Run, TrackingError, pending
from speechclean.records.tracking.client import connected
from tests.support.paths import ROOT
from tests.support.servers import free_port, kill, tracking_server
from tests.support.waiting import LIMIT_S


def work(run: Run, folder: Path, start: int, end: int) -> None:
    for step in range(start, end):
        run.metrics({"m": step / 4}, step=step)
        (folder / f"{step}.txt").write_text(str(step))
        run.file(folder / f"{step}.txt", "kept")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return tmp_path


def test_what_is_down_is_recorded_here_and_uploaded_once(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The store of the upload is a sqlite file: which kind it is makes no difference to `sync`."""
    down = MlflowTracker("http://127.0.0.1:9", timeout_s=2, required=False, system_metrics_s=0)
    down.check()
    assert not list(here.iterdir()), "checking makes nothing"
    down.prepare()
    assert "upload it later with `speechclean sync`" in caplog.text
    with down.run("offline", {"signature": "abc"}) as run:
        run.params({"wet": 0.5})
        run.dataset("folder", "d1", "{}", '{"files": 1}')
        work(run, here, 0, 3)
    with pytest.raises(ZeroDivisionError), down.run("broken") as run:
        run.metrics({"m": 1 / 0})
    target = f"sqlite:///{here}/back.db"
    first = list(pending.sync(uri=target))
    assert [each.name for each in first] == ["offline", "broken"]
    assert not list(pending.sync(uri=target)), "nothing is uploaded twice"
    client = MlflowTracker(target)._opened[0]
    kept = client.get_run(first[0].run_id)
    assert (
        kept.info.status,
        kept.info.run_name,
        kept.data.params,
        kept.data.tags["signature"],
    ) == (
        *("FINISHED", "offline"),
        {"wet": "0.5"},
        "abc",
    )
    assert [(m.step, m.value) for m in client.get_metric_history(first[0].run_id, "m")] == [
        (0, 0),
        (1, 0.25),
        (2, 0.5),
    ]
    assert kept.inputs
    assert kept.inputs.dataset_inputs[0].dataset.digest == "d1"
    assert {each.path for each in client.list_artifacts(first[0].run_id, "kept")} == {
        f"kept/{step}.txt" for step in range(3)
    }
    assert client.get_run(first[1].run_id).info.status == "FAILED"


@pytest.mark.slow
@pytest.mark.parametrize("required", [True, False])
def test_a_server_killed_in_the_middle(
    here: Path, caplog: pytest.LogCaptureFixture, required: bool
) -> None:
    port = free_port()
    tracker = MlflowTracker(f"http://127.0.0.1:{port}", required=required, system_metrics_s=0)
    told: AbstractContextManager[Any] = (
        pytest.raises(TrackingError, match="All outputs are on the disk")
        if required
        else nullcontext()
    )
    with tracking_server(here, port) as (process, _), told, tracker.run("victim") as run:
        work(run, here, 0, 2)
        kill(process)
        work(run, here, 2, 5)
    assert "failed in the middle of run" in caplog.text
    assert all((here / f"{step}.txt").is_file() for step in range(5))
    with sqlite3.connect(here / "server.db") as store:
        assert store.execute("select status from runs").fetchall() == [("RUNNING",)], (
            "never FINISHED by half"
        )
    with tracking_server(here, port):
        (uploaded,) = pending.sync()
        assert uploaded.run_id == run.id, "it goes on where it broke off"
        client = connected(tracker._store, 10)
        kept = client.get_run(run.id)
        assert kept.info.status == "FINISHED"
        assert [m.step for m in client.get_metric_history(run.id, "m")] == list(range(5))
        assert {each.path for each in client.list_artifacts(run.id, "kept")} == {
            f"kept/{step}.txt" for step in range(5)
        }


@pytest.mark.usefixtures("here")
def test_a_run_that_was_completed_later_has_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """While its store was lost, its process was taken for dead."""
    tracker = MlflowTracker("sqlite:///store.db", required=False, system_metrics_s=0)

    def lost(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route")

    client = tracker._opened[0]
    with monkeypatch.context() as patched, tracker.run("victim") as run:
        patched.setattr(client, "log_batch", lost)
        run.metrics({"m": 1.0})
    assert run.id
    tracker.prepare()
    assert "its process ended" in client.get_run(run.id).data.tags["failure"]
    (uploaded,) = pending.sync()
    assert uploaded.run_id == run.id
    kept = client.get_run(run.id)
    assert (kept.info.status, kept.data.metrics) == ("FINISHED", {"m": 1.0})
    assert "failure" not in kept.data.tags


def test_a_pending_run_whose_password_is_not_written_down_asks_for_it(here: Path) -> None:
    down = MlflowTracker(
        "postgresql://me:hunter2horse@127.0.0.1:9/db",
        timeout_s=2,
        required=False,
        system_metrics_s=0,
    )
    with down.run("offline"):
        pass
    assert b"hunter2horse" not in (here / pending.FILE).read_bytes()
    with pytest.raises(TrackingError, match=r"give it as tracking\.uri"):
        list(pending.sync())


@pytest.mark.slow
def test_six_processes_log_ten_runs_each_into_a_store_that_is_not_there(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from speechclean.records.tracking import MlflowTracker
Path(sys.argv[1]).write_text("here")
tracker = MlflowTracker("sqlite:///mlflow.db", system_metrics_s=0.2)
tracker.prepare()
for i in range(10):
    with tracker.run(f"run {i} of {sys.argv[1]}") as run:
        run.params({"p": i})
        run.dataset("set", "d", "{}", "{}")
        for step in range(5):
            run.metrics({"m": step}, step=step)
        run.file(Path(sys.argv[1]))
"""
    line = [sys.executable, "-c", code]
    settings = os.environ | {"PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(
            [*line, str(index)], cwd=tmp_path, env=settings, stderr=subprocess.PIPE, text=True
        )
        for index in range(6)
    ]
    said = [process.communicate(timeout=LIMIT_S)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 6, said
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        assert store.execute("select status, count(*) from runs group by status").fetchall() == [
            ("FINISHED", 60)
        ]
        assert store.execute("select count(*) from metrics where key='m'").fetchall() == [(300,)]
        assert store.execute("select count(*) from params").fetchall() == [(60,)]
    assert len(list(tmp_path.glob("mlartifacts/speechclean/*/artifacts/[0-5]"))) == 60
    assert not list((tmp_path / "mlartifacts/.running").iterdir())
