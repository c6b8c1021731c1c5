"""Runs are told apart by their names, without their configs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra.types import RunMode
from omegaconf import OmegaConf

from speechclean.experiment.config.run_name import run_name


def job(task: list[str], folder: Path | None = None, number: int = 0) -> Any:
    node = {
        "mode": RunMode.MULTIRUN if folder else RunMode.RUN,
        "overrides": {"task": task},
        "job": {"num": number},
        "sweep": {"dir": str(folder)},
    }
    return OmegaConf.create(node)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ([], "pilot"),
        (["metrics=[lufs]", "tracking.uri=sqlite:///x.db", "hydra.run.dir=out"], "pilot"),
        (["overlap=0.5", "+separators.spleeter.x=1"], "pilot: overlap 0.5, x 1"),
        (["experiment=fast", "postprocess=[]"], "pilot: experiment fast, postprocess none"),
        (["name=mine", "overlap=0.5"], "mine"),
    ],
)
def test_a_single_run(task: list[str], name: str) -> None:
    assert run_name("mine" if "name=mine" in task else "pilot", job(task)) == name


def test_of_a_sweep_what_varies(tmp_path: Path) -> None:
    asked = ["name=mine", "overlap=0.5", "enhancement.wet=0,0.2", "shifts=range(1,3)"]
    OmegaConf.save({"hydra": {"overrides": {"task": asked}}}, tmp_path / "multirun.yaml")
    task = ["name=mine", "overlap=0.5", "enhancement.wet=0.2", "shifts=2"]
    assert run_name("mine", job(task, tmp_path, 3)) == "mine 3: wet 0.2, shifts 2"
    (tmp_path / "multirun.yaml").unlink()
    assert run_name("mine", job(task, tmp_path, 3)) == "mine 3: overlap 0.5, wet 0.2, shifts 2"


def test_it_is_short_and_holds_no_secret() -> None:
    long = run_name("pilot", job([f"separators.a.b{number}={number}" for number in range(99)]))
    assert len(long) == 100
    assert long.endswith("…")
    secret = run_name("pilot", job(["separators.local.path=https://me:hunter2@host/x"]))
    assert "hunter2" not in secret
