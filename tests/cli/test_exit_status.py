"""A sweep with files that failed ends in 1, whatever process ran its jobs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from speechclean.audio.sound_files import save
from tests.conftest import noise
from tests.integration.conftest import environment
from tests.support.paths import ROOT

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


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_one_job_of_two_has_a_file_that_fails(launcher: str, inputs: Path) -> None:
    def sweep(*folders: str) -> int:
        patterns = f"dataset.pattern={','.join(folders)}"
        line = ("-m", *RUN, patterns, "hydra.sweep.dir=many", *LAUNCHERS[launcher])
        return speechclean(inputs, *line).returncode

    assert sweep("bad", "good") == 1
    assert (inputs / "many/0/summary.md").is_file()
    assert not (inputs / "many/.failed_files").exists()
    # The same folder again: what failed in an earlier command is no matter of this one.
    assert sweep("good", "good") == 0


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
