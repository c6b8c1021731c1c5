"""Commands with former names: they do what they did, and say so in one line per name."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
import yaml
from optuna.storages.journal import JournalFileBackend

from tests.recorded import made
from tests.support.waiting import LIMIT_S

LINE = "{} is called {} now; the old name still works"
SECONDS = LINE.format("batch_seconds", "audio_in_memory_s")
SMALL = (
    *("separators=[embedded_hdemucs_q]", "enhancement=identity", "tracking=none"),
    *("metrics=[lufs]", "dataset=folder", "dataset.pattern=in", *made.PLAIN),
)
#: The study of `tests/recorded/renamed.log`, less the layers that it searched.
STUDY = (
    *("-m", "sweep=base", "sweep.study=names", "sweep.sampler=grid", "dataset=manifest"),
    *("dataset.path=pairs.csv", "metrics=[si_sdr]", "device=cpu", "tracking=none"),
    *("separators=[embedded_hdemucs_q]", "fusion=max_mask", "postprocess=[]"),
    *("enhancement=identity", "shifts=0,1", "edge_context_s=0.5", "dc_offset_above=0.1"),
    *("sweep.storage=journal:names.log", "sweep.prune_p=0", "cache.enabled=false"),
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with inputs, less the one that is no sound."""
    made.write_inputs(tmp_path)
    for path in (tmp_path / "in").iterdir():
        if path.stem not in "ab":
            path.unlink()
    return tmp_path


def speechclean(place: Path, *words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "speechclean", *words],
        cwd=place,
        env=made.environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def told(errors: str) -> list[str]:
    return [line for line in errors.splitlines() if "the old name still works" in line]


def test_a_run(place: Path) -> None:
    line = ("batch_seconds=7", "output.marks=true", "hydra.run.dir=out")
    status, _, errors = speechclean(place, *SMALL, *line)
    assert status == 0, errors
    assert sorted(told(errors)) == [
        SECONDS,
        LINE.format("output.marks", "output.fingerprints"),
    ]
    config = yaml.safe_load((place / "out/.hydra/config.yaml").read_text())
    assert config["audio_in_memory_s"] == 7
    assert (place / "out/marks.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_a_multirun_with_a_preset_of_ones_own(place: Path, launcher: str) -> None:
    (place / "conf/experiment").mkdir(parents=True)
    mine = "# @package _global_\noutput: {marks: false}\nbatch_seconds: 5\n"
    (place / "conf/experiment/mine.yaml").write_text(mine)
    line = ("--config-dir", "conf", "-m", "experiment=mine", "batch_seconds=7,8")
    more = (f"hydra/launcher={launcher}", "hydra.sweep.dir=out")
    status, _, errors = speechclean(place, *line, *SMALL, *more)
    assert status == 0, errors
    assert sorted(told(errors)) == [
        SECONDS,
        LINE.format("output.marks", "output.fingerprints"),
    ]
    for job, seconds in (("0", 7), ("1", 8)):
        config = yaml.safe_load((place / "out" / job / ".hydra/config.yaml").read_text())
        assert config["audio_in_memory_s"] == seconds
        assert config["output"]["fingerprints"] is False


@pytest.mark.slow
def test_an_evaluation(place: Path) -> None:
    more = ("dataset=finished", "metrics=[lufs]", "tracking=none", *made.PLAIN)
    status, out, errors = speechclean(place, "evaluate", "in", "in", *more)
    assert status == 0, errors
    assert told(errors) == [LINE.format("dataset=finished", "dataset=cleaned")]
    assert "2 files" in out or "2 of 2" in out, out


def test_a_file(place: Path) -> None:
    line = ("clean", "in/a.wav", "-o", "out.wav", *SMALL[:2], "batch_seconds=7")
    status, _, errors = speechclean(place, *line)
    assert status == 0, errors
    assert told(errors) == [SECONDS]
    assert (place / "out.wav").is_file()


@pytest.mark.slow
def test_tune_says_what_is_wrong_under_todays_name(place: Path) -> None:
    status, _, errors = speechclean(place, "tune", "in", "batch_seconds=0")
    assert status == 2
    assert told(errors) == [SECONDS]
    assert "audio_in_memory_s=0.0 must be above 0" in errors


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tuned", "fast_layers"])
def test_a_study_of_then_goes_on(place: Path, name: str) -> None:
    """Recorded by code that knew the former name alone; both names mean that study."""
    shutil.copyfile(made.FOLDER / "renamed.log", place / "names.log")
    key = f"separators.embedded_hdemucs_q.{name}"
    status, out, errors = speechclean(place, *STUDY, f"{key}=true,false", "sweep.n_trials=3")
    assert status == 0, errors
    assert "2 of 3 trials are there" in out
    assert "| separators.embedded_hdemucs_q.fast_layers |" in out
    assert ".tuned" not in out
    assert len(told(errors)) == (name == "tuned")
    backend = JournalFileBackend(str(place / "names.log"))
    study = optuna.load_study(study_name="names", storage=optuna.storages.JournalStorage(backend))
    first = "separators.embedded_hdemucs_q.tuned"
    *before, now = [trial.params for trial in study.get_trials()]
    assert before == [{first: True, "shifts": shifts} for shifts in (0, 1)]
    assert now[first] is False
    assert now.keys() == before[0].keys()
