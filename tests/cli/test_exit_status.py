"""A sweep with files that failed ends in 1, whatever process ran its jobs; a run that is stopped in
130."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from speechclean.audio.sound_files import save
from tests.conftest import noise
from tests.integration.conftest import environment
from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S, wait_for

QUICK = ("separators=[embedded_hdemucs_q]", "enhancement=identity", "tracking=none")
RUN = (*QUICK, "metrics=[lufs]", "output.plots=false", "output.report=false", "dataset=folder")
LAUNCHERS = {
    "basic": (),
    "joblib": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
}


def speechclean(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "speechclean", *arguments]
    settings = environment() | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        line, cwd=cwd, env=settings, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """`good/` has a sound, `bad/` one that can be read and one that cannot."""
    for folder in ("good", "bad"):
        (tmp_path / folder).mkdir()
        save(noise(0.5), tmp_path / folder / "a.wav")
    (tmp_path / "bad" / "broken.wav").write_bytes(b"RIFF, but no sound")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_one_job_of_two_has_a_file_that_fails(launcher: str, inputs: Path) -> None:
    def sweep(*folders: str) -> int:
        patterns = f"dataset.pattern={','.join(folders)}"
        line = ("-m", *RUN, patterns, "hydra.sweep.dir=many", *LAUNCHERS[launcher])
        return speechclean(inputs, *line).returncode

    assert sweep("bad", "good") == 1
    head, *_, first, second = (inputs / "many/summary.md").read_text().splitlines()
    assert [head.split("|")[1:4], first.split("|")[1], second.split("|")[1]] == [
        ["  ", " level ", " files failed "],
        " folder 0: pattern bad ",
        " folder 1: pattern good ",
    ]
    assert [line.split("|")[-2] for line in (first, second)] == [" 1 ", " 0 "]
    assert (inputs / "many/0/summary.md").is_file()
    assert not (inputs / "many/.jobs").exists()
    # The same folder again: what failed in an earlier command is no matter of this one.
    assert sweep("good", "good") == 0


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_study_whose_trials_have_files_that_fail(launcher: str, inputs: Path) -> None:
    study = (
        *QUICK,
        "sweep=grid_fusion",
        "metrics=[lufs]",
        "dataset=folder",
        "sweep.objective={metric: lufs_cleaned, direction: maximize}",
        "fusion=mean_mask",
        "postprocess.beta_wiener.beta=0,0.5",
        "cache.dir=cache",
        *LAUNCHERS[launcher],
        *(("sweep.n_jobs=2",) if launcher == "joblib" else ()),
    )
    done = speechclean(inputs, "-m", *study, "dataset.pattern=bad")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Files failed in 2 of 2 trials, at most 1 in one" in done.stderr
    assert "2 complete" in done.stdout
    done = speechclean(inputs, "-m", *study, "dataset.pattern=good", "sweep.study=other")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_that_is_stopped_says_so_without_a_traceback(inputs: Path) -> None:
    # the second one is at work for long enough to be met there
    save(noise(120.0), inputs / "good" / "b.wav")
    line = [
        sys.executable,
        "-m",
        "speechclean",
        *RUN,
        "dataset.pattern=good",
        "audio_in_memory_s=0.1",
    ]
    process = subprocess.Popen(
        [*line, "hydra.run.dir=out"],
        cwd=inputs,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        # tests that a shell has put into the background have been told to ignore it
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: list(inputs.glob("out/cleaned/a.wav")), process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130, told
    assert "stopped by Ctrl-C" in told
    assert "Traceback" not in told
