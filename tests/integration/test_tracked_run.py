"""Runs as the store has them: a sweep's trials, and a server that is there, is not, or goes away on
the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from speechclean.audio.sound_files import save
from speechclean.records.tracking import MlflowTracker
from tests.conftest import noise
from tests.integration.conftest import SMALL, environment
from tests.support.paths import ROOT
from tests.support.servers import free_port, kill, tracking_server
from tests.support.waiting import LIMIT_S, wait_for


def line(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def settings(**more: str) -> dict[str, str]:
    return environment() | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"} | more


def call(cwd: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    cwd.mkdir(exist_ok=True)
    asked = line(module, *arguments)
    return subprocess.run(
        asked, cwd=cwd, env=settings(), capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def inputs(folder: Path, count: int) -> tuple[str, str]:
    for index in range(count):
        save(noise(1.0, 24000, seed=index), folder / "in" / f"{index}.wav")
    return ("dataset=folder", f"dataset.pattern={folder}/in")


@pytest.mark.slow
def test_a_sweeps_trials_are_told_apart_and_keep_what_they_are_made_of(tmp_path: Path) -> None:
    swept = (
        "-m",
        "hydra.sweep.dir=many",
        "postprocess.beta_wiener.beta=0.5,1",
        "tracking.system_metrics_s=0.2",
    )
    done = call(tmp_path, "speechclean", *swept, *SMALL[:4], *inputs(tmp_path, 2))
    assert done.returncode == 0, done.stderr
    client, experiment, _ = MlflowTracker(f"sqlite:///{tmp_path}/mlflow.db")._opened
    runs = client.search_runs([experiment], order_by=["attributes.start_time"])
    assert [run.data.tags["trial"] for run in runs] == ["0", "1"]
    assert {run.data.tags["sweep"] for run in runs} == {"many"}
    assert len({run.data.tags["signature"] for run in runs}) == 2
    assert [run.info.run_name for run in runs] == ["folder 0: beta 0.5", "folder 1: beta 1"]
    for run, beta in zip(runs, ("0.5", "1"), strict=True):
        assert run.info.status == "FINISHED"
        assert float(run.data.params["postprocess.beta_wiener.beta"]) == float(beta)
        assert {"git_commit", "weights"} <= set(run.data.tags)
        assert {
            "time.total_s",
            "time.per_audio_second",
            "system/cpu_utilization_percentage",
        } <= set(run.data.metrics)
        assert len(client.get_metric_history(run.info.run_id, "file.lufs_cleaned")) == 2
        assert run.inputs
        (dataset,) = run.inputs.dataset_inputs
        assert len(dataset.dataset.digest) > 8
        kept = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
        assert {
            "ab",
            "cleaned",
            "report.html",
            "config.yaml",
            "overrides.yaml",
            "provenance.json",
            "inputs.csv",
        } <= kept


def test_a_store_that_is_down_stops_a_run_before_its_start(tmp_path: Path) -> None:
    done = call(
        tmp_path,
        "speechclean",
        *SMALL[:4],
        *inputs(tmp_path, 1),
        "tracking.uri=http://127.0.0.1:9",
        "hydra.run.dir=out",
    )
    assert done.returncode == 2
    assert "http://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("cleaned"))


@pytest.mark.slow
def test_a_run_on_a_server_is_reproduced_from_elsewhere_and_one_whose_server_is_killed_is_completed(
    tmp_path: Path,
) -> None:
    port = free_port()
    uri = f"tracking.uri=http://127.0.0.1:{port}"
    few = inputs(tmp_path, 6)
    with tracking_server(tmp_path, port) as (process, _):
        done = call(
            tmp_path / "here",
            "speechclean",
            *SMALL[:4],
            *few,
            uri,
            "name=first",
            "hydra.run.dir=out",
        )
        assert done.returncode == 0, done.stderr
        done = call(
            tmp_path / "there",
            "speechclean.cli.reproduce",
            "run_id=first",
            uri,
            "hydra.run.dir=again",
            "require=bit-exact",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        asked = line(
            "speechclean",
            *SMALL[:4],
            *few,
            uri,
            "name=victim",
            "hydra.run.dir=lost",
            "audio_in_memory_s=1",
        )
        own = settings(MLFLOW_HTTP_REQUEST_MAX_RETRIES="1", XDG_STATE_HOME=str(tmp_path / "state"))
        running = subprocess.Popen(
            asked,
            cwd=tmp_path / "here",
            env=own,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: list(tmp_path.glob("here/lost/cleaned/*.wav")), running)
        kill(process)
        said = running.communicate(timeout=LIMIT_S)[1]
    assert running.returncode == 3, said
    assert "failed in the middle of run" in said
    assert "Error executing job" not in said
    for number in range(6):
        assert (tmp_path / f"here/lost/cleaned/{number}.wav").is_file()
    assert (tmp_path / "here/lost/report.html").is_file()
    client, experiment, _ = MlflowTracker(f"sqlite:///{tmp_path}/server.db")._opened

    def state() -> str:
        runs = client.search_runs([experiment], "attributes.run_name = 'victim'")
        return runs[0].info.status

    assert state() != "FINISHED"
    with tracking_server(tmp_path, port):
        done = call(tmp_path / "here", "speechclean.tracking", "sync")
        assert done.returncode == 0, done.stderr
        assert "1 run uploaded" in done.stdout
    assert state() == "FINISHED"
    assert (tmp_path / "here/mlflow-pending.db").is_file()
