"""Batches as users run them: failures are fed back and delivered, shards, weights that cannot be
read. What kills and full disks do to batches is in tests/experiments/test_drills.py."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from speechclean.networks.weights import EMBEDDED
from speechclean.stages.datasets.manifest import Manifest
from tests.integration.conftest import SMALL, Command, environment
from tests.support import batch_folder, batch_inputs

#: One separator, little sound: a few seconds of work beside the start of Python.
FAST = ["tracking=none", "batch=local", SMALL[0], SMALL[1]]


@pytest.mark.slow
def test_failures_are_fed_back_mended_and_delivered_in_one_run_each(
    speechclean: Command, tmp_path: Path
) -> None:
    expected = batch_inputs.make(tmp_path / "in", 32, sparse_s=400)
    bad = [name for name, reason in expected.items() if reason is not None]
    line = [
        *FAST[1:],
        "dataset=folder",
        "dataset.pattern=in",
        "batch.out=out",
        "batch.interval_s=0.5",
    ]
    done = speechclean(*line, "delivery=zip")
    assert done.returncode == 1, done.stderr
    assert "× real time" in done.stdout
    assert zipfile.ZipFile(tmp_path / "out/delivery.zip").testzip() is None
    _check_record(tmp_path, failed=len(bad), files=len(expected))
    tracks = Manifest(str(tmp_path / "out/failed.csv")).tracks()
    assert {str(track.path) for track in tracks} == {str(tmp_path / "in" / name) for name in bad}
    for name in bad:  # mended
        path = tmp_path / "in" / name
        path.unlink() if not path.is_dir() else path.rmdir()
        path.write_bytes((tmp_path / "in/odd/plain.wav").read_bytes())
    done = speechclean(*line, "only=failed", "tracking=none")
    assert done.returncode == 0, done.stderr
    assert f"{len(bad)} to clean" in done.stdout
    assert not batch_folder.table(tmp_path / "out/failed.csv")
    outcome = batch_folder.check(tmp_path / "out", tmp_path / "in", dict.fromkeys(expected))
    assert outcome.whole, outcome.wrong


@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_weights_that_are_none_end_a_batch_before_any_file(
    executor: str, speechclean: Command, tmp_path: Path
) -> None:
    if executor == "ray":
        pytest.importorskip("ray")
    batch_inputs.make(tmp_path / "in", 3, sparse_s=1)
    for path in EMBEDDED.glob("*hdemucs_q.yaml"):
        shutil.copy(path, tmp_path / path.name)
    # under the checksum that is its own, so that only loading it tells
    for path in EMBEDDED.glob("*-*.th"):
        half = path.read_bytes()[:1000]
        (
            tmp_path / f"{path.name.partition('-')[0]}-{hashlib.sha256(half).hexdigest()[:8]}.th"
        ).write_bytes(half)
    line = [
        f"batch={executor}",
        *FAST[2:],
        "tracking=none",
        "dataset=folder",
        "dataset.pattern=in",
        "batch.out=out",
    ]
    done = speechclean(*line, "separators.embedded_hdemucs_q.repo=.")
    assert done.returncode == 2, done.stderr
    assert "- separators.embedded_hdemucs_q: " in done.stderr
    assert not batch_folder.ledger(tmp_path / "out")


def _check_record(folder: Path, failed: int, files: int) -> None:
    """One run with aggregates and a table, and none for each file."""
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(experiments)
    assert (run.data.metrics["files_failed"], run.data.metrics["files_cleaned"]) == (
        failed,
        files - failed,
    )
    assert run.data.metrics["lufs_change.p05"] <= run.data.metrics["lufs_change.p95"]
    assert {"batch", "mlflow.loggedArtifacts"} <= run.data.tags.keys()
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    wanted = {
        "metrics.csv",
        "failed.csv",
        "histograms.png",
        "worst.csv",
        "inputs.csv",
        "files.json",
        "marks.json",
    }
    assert wanted <= names
    assert not names & {"cleaned", "ab", "plots"}
    table = json.loads((folder / "out/files.json").read_text())
    assert len(table["data"]) == files
    assert set(table["columns"]) >= {"alias", "status", "music_to_speech_db_cleaned"}


@pytest.mark.slow
def test_shards_by_the_launcher_of_slurm_clusters_and_a_repetition(
    speechclean: Command, tmp_path: Path
) -> None:
    """On this machine, by submitit's local executor: a folder for each shard, together the whole;
    one of them run again."""
    pytest.importorskip("submitit")
    expected = batch_inputs.make(tmp_path / "in", 30, sparse_s=1)
    line = [*FAST[1:], "dataset=folder", "dataset.pattern=in", "batch.interval_s=5"]
    done = speechclean("-m", "hydra/launcher=submitit_local", *line, "dataset.shard=0/2,1/2")
    told = "the one bad file's failure is the command's, by this launcher too\n"
    assert done.returncode == 1, told + done.stdout + done.stderr
    folders = sorted((tmp_path / "outputs/batches").glob("*-of-2"))
    maps = [{row["path"] for row in batch_folder.table(folder / "map.csv")} for folder in folders]
    assert len(maps) == 2
    assert not maps[0] & maps[1]
    assert len(maps[0] | maps[1]) == len(expected)

    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs(
        [experiment.experiment_id for experiment in client.search_experiments()]
    )
    whole = [run.info.run_id for run in runs if not run.data.metrics["files_failed"]]
    assert len(whole) == 1, "the one bad file is in one of the two"
    command = [sys.executable, "-m", "speechclean.reproduce", f"run_id={whole[0]}"]
    again = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert "bit-exact" in again.stdout
