"""Run it again: from a recorded run to a verdict, as users type it."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import soundfile

from speechclean.records.tracking import Records
from speechclean.stages.datasets.manifest import Pilot
from tests.integration.conftest import SMALL, environment
from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S, wait_for

#: The pipeline of the original: one separator with weights of its own, a mask on top.
PIPELINE = (
    "separators=[embedded_hdemucs_q]",
    "enhancement=identity",
    "metrics=[lufs]",
    "output.plots=false",
)


def command(
    cwd: Path, module: str, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", module, *arguments]
    settings = environment() | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"} | variables
    return subprocess.run(
        line, cwd=cwd, env=settings, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `mlflow.db`, in which the run `first` cleaned two inputs of `in/`."""
    folder = tmp_path_factory.mktemp("original")
    (folder / "in").mkdir()
    for name, track in zip("ab", Pilot().tracks(), strict=False):
        frames, rate = soundfile.read(track.path)
        soundfile.write(folder / "in" / f"{name}.wav", frames[: 2 * rate], rate)
    done = command(
        folder,
        "speechclean",
        *PIPELINE,
        "dataset=folder",
        "dataset.pattern=in",
        "hydra.run.dir=out",
        "name=first",
    )
    assert done.returncode == 0, done.stderr
    return folder


def reproduce(
    original: Path, cwd: Path, *arguments: str, **variables: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    uri = f"tracking.uri=sqlite:///{original}/mlflow.db"
    done = command(
        cwd,
        "speechclean.cli.reproduce",
        "run_id=first",
        uri,
        "hydra.run.dir=again",
        *arguments,
        **variables,
    )
    report = cwd / "again" / "reproduction.json"
    return done, json.loads(report.read_text()) if report.is_file() else {}


def stages(report: dict[str, Any]) -> dict[str, str | None]:
    return {file["alias"]: file["stage"] for file in report["files"]}


@pytest.mark.slow
def test_another_process_folder_and_batch_size_are_bit_exact_and_both_runs_say_so(
    original: Path, tmp_path: Path
) -> None:
    done, report = reproduce(original, tmp_path, "batch_size=4", "audio_in_memory_s=3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert report["verdict"] == "bit-exact"
    assert "batch_size: null then, 4 now" in done.stdout
    for name in "ab":
        assert (tmp_path / f"again/cleaned/{name}.wav").read_bytes() == (
            original / f"out/cleaned/{name}.wav"
        ).read_bytes()
    records = Records(f"sqlite:///{original}/mlflow.db")
    first, again = records.get("first"), records.get(report["run"])
    assert again.tags["reproduces"] == first.id
    assert again.id in first.tags["reproduced_by"]
    assert again.tags["reproduction"] == "bit-exact"
    assert again.tags["signature"] == first.tags["signature"]
    assert again.artifact("reproduction.json")


@pytest.mark.slow
def test_a_changed_knob_is_told_by_its_stage(original: Path, tmp_path: Path) -> None:
    done, report = reproduce(original, tmp_path, "postprocess.beta_wiener.beta=1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert report["verdict"] == "different"
    assert stages(report) == {"a": "postprocess.beta_wiener", "b": "postprocess.beta_wiener"}
    assert "postprocess.beta_wiener.beta: 0 then, 1 now" in done.stdout


@pytest.mark.slow
def test_a_changed_sample_of_one_input_is_told_and_the_other_file_holds(
    original: Path, tmp_path: Path
) -> None:
    shutil.copytree(original / "in", tmp_path / "moved")
    frames, rate = soundfile.read(tmp_path / "moved/a.wav", dtype="int16")
    frames[rate] += 3000
    soundfile.write(tmp_path / "moved/a.wav", frames, rate)
    (original / "in").rename(original / "away")
    try:
        lost, _ = reproduce(original, tmp_path)
        done, report = reproduce(original, tmp_path, "inputs.root=moved")
    finally:
        (original / "away").rename(original / "in")
    assert lost.returncode == 2
    assert lost.stderr.count("is not there; say where with inputs.root=FOLDER") == 2
    assert done.returncode == 1, done.stdout + done.stderr
    assert "input a: " in done.stdout
    assert "has other contents than then" in done.stdout
    assert stages(report) == {"a": "input", "b": None}
    assert {file["alias"]: file["verdict"] for file in report["files"]} == {
        "a": "different",
        "b": "bit-exact",
    }


@pytest.mark.slow
def test_weights_of_ones_own_are_found_again_and_changed_ones_told_by_their_separator(
    tmp_path: Path,
) -> None:
    """A bag in a folder that was named relative to where the run was started; then it moves, then a
    byte of it changes."""
    from tests.conftest import save_demucs, tiny_hdemucs

    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    own = home / "nets" / "mine"
    for folder in (own, elsewhere):
        folder.mkdir(parents=True)
    network = tiny_hdemucs(seed=5)
    save_demucs(own, "net", {"eeee": network})
    table = tmp_path / "set.csv"
    table.write_text(f"path,alias\n{Pilot().tracks()[1].path},a\n")
    local = ("separators=[local]", "separators.local.name=net", "separators.local.path=nets/mine")
    arguments = (
        *PIPELINE[1:],
        *local,
        "dataset=manifest",
        f"dataset.path={table}",
        "name=first",
        "hydra.run.dir=out",
    )
    done = command(home, "speechclean", *arguments)
    assert done.returncode == 0, done.stderr
    done, report = reproduce(home, elsewhere, "require=bit-exact")
    assert done.returncode == 0, done.stdout + done.stderr
    records = Records(f"sqlite:///{home}/mlflow.db")
    assert records.get(report["run"]).tags["signature"] == records.get("first").tags["signature"]
    shutil.rmtree(elsewhere / "again")
    (home / "nets").rename(tmp_path / "moved")
    done, _ = reproduce(home, elsewhere)
    assert done.returncode == 2
    assert "weights that have moved: weights.root=FOLDER" in done.stderr
    done, _ = reproduce(home, elsewhere, f"weights.root={tmp_path}/moved", "require=bit-exact")
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(elsewhere / "again")
    own = tmp_path / "moved" / "mine"
    weight = next(parameter for parameter in network.parameters() if parameter.ndim > 1)
    weight.data.view(-1)[0] += 0.5
    for path in own.glob("eeee*"):
        path.unlink()
    save_demucs(own, "net", {"eeee": network})
    done, report = reproduce(home, elsewhere, f"weights.root={tmp_path}/moved")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "differs  weights eeee: sha256" in done.stdout
    assert stages(report) == {"a": "separators.local"}


@pytest.mark.slow
def test_a_killed_run_says_what_is_missing(tmp_path: Path) -> None:
    line = [
        sys.executable,
        "-m",
        "speechclean",
        *PIPELINE,
        "audio_in_memory_s=1",
        "hydra.run.dir=out",
        "name=victim",
    ]
    settings = environment() | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        line, cwd=tmp_path, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: list(tmp_path.glob("out/cleaned/*.wav")), process)
    process.kill()
    process.wait(LIMIT_S)
    done = command(tmp_path, "speechclean.cli.reproduce", "run_id=victim", "hydra.run.dir=again")
    assert done.returncode == 2
    for expected in ("is FAILED", "metrics.json", "cleaned files:", "of 6"):
        assert expected in done.stderr, done.stderr
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run_id=nobody",), "no run 'nobody'"),
        (("run_id=first", "shfts=3"), "no key 'shfts', did you mean shifts?"),
        (("run_id=first", "require=perfect"), "bit-exact, 1lsb, tolerance"),
        (("run_id=first", "threads=many"), "threads=many"),
        ((), "usage:"),
    ],
)
def test_nonsense_is_told(
    original: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    expected: str,
) -> None:
    from speechclean.cli import reproduce as entry

    monkeypatch.setattr(
        sys, "argv", ["reproduce", f"tracking.uri=sqlite:///{original}/mlflow.db", *arguments]
    )
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 2
    assert expected in capsys.readouterr().err


@pytest.mark.slow
def test_the_code_of_then_runs_from_a_worktree(original: Path, tmp_path: Path) -> None:
    """In a clone whose own code has since gone on, from a run that had changes which no commit
    has."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True, capture_output=True)
    for part in ("speechclean", "conf"):  # what is tested may not be committed yet
        shutil.copytree(
            ROOT / part,
            clone / part,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", "-C", str(clone)]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "then", "--allow-empty"], check=True)
    wiener = clone / "speechclean/stages/postprocess/beta_wiener.py"
    as_it_is = wiener.read_text()
    assert "mask**self.beta" in as_it_is
    wiener.write_text(as_it_is.replace("mask**self.beta", "mask**(self.beta * 2)"))
    inputs = ("dataset=folder", f"dataset.pattern={original}/in", "hydra.run.dir=out", "name=first")
    # By default the stage does nothing, whatever its code says.
    own = (*PIPELINE, "postprocess.beta_wiener.beta=0.5")
    at_clone = {"PYTHONPATH": str(clone)}
    done = command(tmp_path, "speechclean", *own, *inputs, **at_clone)
    assert done.returncode == 0, done.stderr
    wiener.write_text(as_it_is.replace("mask**self.beta", "mask**(self.beta * 3)"))
    subprocess.run([*git, "commit", "-qam", "now"], check=True)
    done, report = reproduce(tmp_path, tmp_path, **at_clone)
    assert done.returncode == 1
    assert stages(report)["a"] == "postprocess.beta_wiener"
    assert "differs  code:" in done.stdout
    shutil.rmtree(tmp_path / "again")
    done, report = reproduce(tmp_path, tmp_path, "--checkout", **at_clone)
    assert done.returncode == 2, "there is nobody to ask whether to run a patch"
    assert "mask**(self.beta * 2)" in done.stdout, "it is shown"
    assert "--yes runs it" in done.stderr
    assert not (tmp_path / "again").exists()
    done, report = reproduce(tmp_path, tmp_path, "--checkout", "--yes", **at_clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert report["verdict"] == "bit-exact"
    assert (tmp_path / "again/checkout/environment.txt").read_text().startswith("# Python 3")
    with (tmp_path / "again/metrics.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 2


@pytest.mark.slow
def test_the_pilot_in_another_order_and_with_other_threads(tmp_path: Path) -> None:
    done = command(
        tmp_path, "speechclean", "hydra.run.dir=out", "name=first", "metrics=[lufs,si_sdr]"
    )
    assert done.returncode == 0, done.stderr
    table = tmp_path / "backwards.csv"
    tracks = Pilot().tracks()[::-1]
    table.write_text("path,alias\n" + "".join(f"{track.path},{track.alias}\n" for track in tracks))
    again = command(
        tmp_path,
        "speechclean",
        "hydra.run.dir=order",
        "dataset=manifest",
        f"dataset.path={table}",
        *SMALL[3:],
    )
    assert again.returncode == 0, again.stderr
    for track in tracks:
        name = f"cleaned/{track.alias}.wav"
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "order" / name).read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done, report = reproduce(tmp_path, elsewhere, "batch_size=8", "require=bit-exact")
    assert done.returncode == 0, done.stdout + done.stderr
    done, report = reproduce(tmp_path, elsewhere, "threads=2", "require=1lsb")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cpu threads: 1 then, 2 now" in report["differences"]
