"""What was validated is prepared: folders and the store are made then, and not before."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import DictConfig

from speechclean.experiment.config import validate as validation
from speechclean.experiment.config.build import build
from speechclean.experiment.config.compose import composed
from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.config.prepare import prepare
from speechclean.experiment.config.validate import validate
from speechclean.records.tracking import address, checks


@pytest.fixture
def cfg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DictConfig:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    cfg = composed(["cache.enabled=true", "cache.dir=kept"])
    cfg.output.dir, cfg.name = "out", "run"
    return cfg


def test_validate_makes_nothing_and_prepare_makes_all(cfg: DictConfig, tmp_path: Path) -> None:
    experiment = validate(cfg)
    assert list(tmp_path.iterdir()) == []
    prepare(experiment, Path("out"))
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"kept", "mlartifacts", "mlflow.db", "out"}
    assert list((tmp_path / "out").iterdir()) == []
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    validate(cfg)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_what_only_the_attempt_tells_is_said_in_the_same_words(
    cfg: DictConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg.output.dir, cfg.cache.dir = "/proc/nowhere/x", "/proc/nowhere/y"
    for seen in (True, False):
        if not seen:
            monkeypatch.setattr(validation, "why_not_writable", lambda _folder: None)
        with pytest.raises(ConfigError) as refused:
            build(cfg)
        assert [one.partition(" (")[0] for one in refused.value.problems] == [
            "hydra.run.dir=/proc/nowhere/x: cannot be written",
            "cache.dir=/proc/nowhere/y: cannot be written",
        ]


def test_a_store_that_refuses_is_a_problem_of_the_config(
    cfg: DictConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_check_file", lambda _path: None)
    cfg.tracking.uri = "sqlite:////proc/nowhere/mlflow.db"
    assert address.Store.at(cfg.tracking.uri).sqlite
    experiment = validate(cfg)
    with pytest.raises(ConfigError, match=r"tracking in sqlite:.* failed"):
        prepare(experiment, Path("out"))
