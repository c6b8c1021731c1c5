"""A recorded config is pointed at what is here now, and nothing else of it is touched."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from speechclean.records import class_names
from speechclean.reproduction.rerun_config import (
    ReproductionError,
    apply_changes,
    primary_config,
    redirect,
    relocate_weights,
)
from speechclean.system.resources import PACKAGE


def recorded(**more: Any) -> DictConfig:
    config = {
        "separators": {
            "mine": {"name": "net", "path": "nets/mine", "shifts": 1},
            "former": {"name": "formers/a.ckpt", "config": "formers/a.yaml", "shifts": 1},
            "htdemucs": {"name": "htdemucs", "repo": None, "shifts": 2},
        },
        "fusion": {"weights": None},
        "enhancement": {"model": "dns/dns64.th", "wet": 0.5},
        "metrics": {"wer_whisper": {"model": "base.en"}},
        "postprocess": {},
        "weights": {"dir": None},
        "shifts": 1,
        "name": "nets/mine",
    }
    return OmegaConf.create(config | more)


@pytest.fixture
def then(tmp_path: Path) -> Path:
    """The folder in which the run ran, with weights of its own; one of them is called like a
    published model."""
    for name in (
        "nets/mine/net.yaml",
        "formers/a.ckpt",
        "formers/a.yaml",
        "dns/dns64.th",
        "htdemucs/x",
        "base.en/x",
    ):
        path = tmp_path / "then" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "then"


def test_relative_paths_start_where_the_run_ran(then: Path) -> None:
    config = recorded()
    relocate_weights(config, str(then), None)
    assert config.separators.mine.path == f"{then}/nets/mine"
    assert (config.separators.former.name, config.separators.former.config) == (
        f"{then}/formers/a.ckpt",
        f"{then}/formers/a.yaml",
    )
    assert config.enhancement.model == f"{then}/dns/dns64.th"
    untouched = recorded()
    for key in ("separators.mine.name", "separators.htdemucs", "metrics", "name", "weights"):
        assert OmegaConf.select(config, key) == OmegaConf.select(untouched, key), key


def test_what_has_moved_is_found_below_the_root_by_as_much_of_its_path_as_is_there(
    then: Path, tmp_path: Path
) -> None:
    (then / "nets").rename(tmp_path / "moved")
    config = recorded(enhancement={"model": "/gone/dns/dns64.th"})
    relocate_weights(config, str(then), tmp_path / "moved")
    assert config.separators.mine.path == f"{tmp_path}/moved/mine"
    assert config.weights.dir == f"{tmp_path}/moved"
    relocate_weights(config, None, then)
    assert config.enhancement.model == f"{then}/dns/dns64.th"
    assert config.weights.dir == f"{tmp_path}/moved", "it is there"


def test_what_is_nowhere_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = recorded()
    relocate_weights(config, str(tmp_path / "gone"), None)
    assert config == recorded()


def test_a_knob_at_the_root_reaches_the_stages_that_followed_it() -> None:
    config = recorded()
    assert apply_changes(config, ["shifts=4"]) == ["shifts: 1 then, 4 now"]
    assert [node.shifts for node in config.separators.values()] == [4, 4, 2]
    with pytest.raises(ReproductionError, match="no key 'shfts'"):
        apply_changes(config, ["shfts=3"])


def test_both_the_code_of_then_and_that_of_now_know_the_classes_of_a_rerun(tmp_path: Path) -> None:
    """They get their first names: all that old code has, and an alias to the new one."""
    moved = OmegaConf.create(
        {
            "fusion": {"_target_": "speechclean.stages.fusion.mean_mask.MeanMask", "eps": 1e-10},
            "metrics": {"lufs": {"_target_": "speechclean.metrics.lufs.Lufs"}},
        }
    )
    written = OmegaConf.create(primary_config(moved, tmp_path, tmp_path))
    assert written.fusion._target_ == "speechclean.fusion.mean_mask.MeanMask"
    assert written.metrics.lufs._target_ == "speechclean.metrics.lufs.Lufs"
    assert (written.fusion.eps, written.hydra.run.dir) == (1e-10, str(tmp_path))
    for target in (written.fusion._target_, written.metrics.lufs._target_):
        assert get_class(class_names.current(target))


def test_keys_of_a_rerun_are_those_of_the_code_that_runs_it(tmp_path: Path) -> None:
    """Code of then knows first names alone; of today's code nobody wants to be told of them."""
    config = OmegaConf.create(
        {
            "separators": {"local": {"fast_layers": False}},
            "output": {"dir": "x", "fingerprints": True},
            "audio_in_memory_s": 7.0,
        }
    )
    then = OmegaConf.create(primary_config(config, tmp_path, tmp_path))
    assert (then.batch_seconds, then.output.marks) == (7.0, True)
    assert then.separators == {"local": {"tuned": False}}
    now = OmegaConf.create(primary_config(config, tmp_path, PACKAGE.parent))
    assert isinstance(now, DictConfig)
    assert {key: now[key] for key in config} == config


def test_a_change_by_a_former_name_is_made() -> None:
    config = recorded(audio_in_memory_s=120.0)
    assert apply_changes(config, ["batch_seconds=3"]) == ["audio_in_memory_s: 120.0 then, 3 now"]
    assert config.audio_in_memory_s == 3


def test_a_rerun_reads_what_was_located_and_writes_into_its_own_folder(tmp_path: Path) -> None:
    config = OmegaConf.create(
        {
            "dataset": {"_target_": "speechclean.datasets.manifest.Pilot"},
            "tracking": {"_target_": "speechclean.tracking.NoTracker"},
            "output": {"dir": "/then", "layout": "tree"},
            "batch": {"out": "/then"},
            "name": "first",
        }
    )
    record = SimpleNamespace(experiment="theirs", name="first")
    records = SimpleNamespace(store=SimpleNamespace(uri="sqlite:///here.db"))
    redirect(config, record, records, tmp_path)  # type: ignore[arg-type]
    assert config.dataset.path == f"{tmp_path}/reproduce/inputs.csv"
    assert config.tracking == {
        "_target_": "speechclean.records.tracking.MlflowTracker",
        "uri": "sqlite:///here.db",
        "experiment": "theirs",
    }
    assert config.output == {"dir": str(tmp_path), "layout": "flat"}
    assert "batch" not in config
    assert config.name == "reproduction of first"
