"""A run's config as a preset: it says little, and it composes to the same signature."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from speechclean.experiment.config import compose, preset, preset_values
from speechclean.experiment.config.errors import PromotionError
from speechclean.experiment.config.preset import promote
from speechclean.records.provenance import signature
from speechclean.records.tracking import Record
from speechclean.records.tracking.address import RecordError
from tests.records.test_identity import resolved
from tests.support.paths import ROOT


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of conf/ to write presets into."""
    folder = tmp_path / "conf"
    shutil.copytree(ROOT / "conf", folder)
    for module in (compose, preset, preset_values):
        monkeypatch.setattr(module, "conf_dir", lambda: folder)
    return folder


class Kept:
    """A run that keeps its config, for `Record.artifact`."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def list_artifacts(self, _run: str, _folder: str | None) -> list[Any]:
        return [type("Artifact", (), {"path": "config.yaml"})]

    def download_artifacts(self, _run: str, path: str, _to: str) -> str:
        return str(self.folder / path)


def record(folder: Path, config: dict[str, Any]) -> Record:
    metrics = {"si_sdr_improvement": 5.125, "files_cleaned": 6.0}
    tags = {"git_commit": "abcdef0123456789"}
    return Record(
        "f" * 32,
        "winner",
        "FINISHED",
        "e",
        "1",
        0,
        {"files": "6"},
        metrics,
        tags,
        Kept(folder / "run", config),
    )


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["device=cpu", "batch_size=4", "metrics=[lufs]", "output.plots=false"], {}),
        (
            ["postprocess=[]", "fusion=max_mask"],
            {"defaults": [{"override /fusion": "max_mask"}, {"override /postprocess": []}]},
        ),
        (
            ["enhancement=dns64", "enhancement.wet=0.25", "postprocess.loudness.target_lufs=-16"],
            {
                "defaults": [{"override /enhancement": "dns64"}],
                "postprocess": {"loudness": {"target_lufs": -16}},
                "enhancement": {"wet": 0.25},
            },
        ),
        (
            [
                "separators=[embedded_hdemucs_q,embedded_htdemucs]",
                "separators.embedded_htdemucs.segment_s=2.5",
                "shifts=3",
                "fusion.weights={embedded_htdemucs: 2.0}",
            ],
            {
                "defaults": [{"override /separators": ["embedded_hdemucs_q", "embedded_htdemucs"]}],
                "shifts": 3,
                "separators": {"embedded_htdemucs": {"segment_s": 2.5}},
                "fusion": {"weights": {"embedded_htdemucs": 2.0}},
            },
        ),
    ],
)
def test_a_preset_is_minimal_and_composes_to_the_same_signature(
    conf: Path, tmp_path: Path, overrides: list[str], said: dict[str, Any]
) -> None:
    config = resolved(overrides)
    made = promote(record(tmp_path, config), "winner")
    assert made.path == conf / "experiment" / "winner.yaml"
    assert made.new_keys == []
    page = made.path.read_text()
    assert page.startswith("# @package _global_\n# speechclean experiment=winner\n")
    assert "f" * 32 in page
    assert "si_sdr +5.125" in page
    assert yaml.safe_load(page) == {"name": "winner", **said}
    assert signature(resolved(["experiment=winner"]), {}, {}) == signature(config, {}, {})


@pytest.mark.usefixtures("conf")
def test_best_pipeline_comes_back_as_itself(tmp_path: Path) -> None:
    config = resolved(["experiment=best_pipeline"])
    promote(record(tmp_path, config), "again")
    assert signature(resolved(["experiment=again"]), {}, {}) == signature(config, {}, {})


def test_what_cannot_be_said_is_refused_and_nothing_is_written(conf: Path, tmp_path: Path) -> None:
    config = resolved([])
    run = record(tmp_path, config)
    with pytest.raises(PromotionError, match="no name for a preset"):
        promote(run, "../escape")
    with pytest.raises(PromotionError, match="is there already"):
        promote(run, "pilot")
    config["fusion"]["gone"] = 3
    config["separators"]["unknown"] = dict(config["separators"]["embedded_hdemucs24"])
    with pytest.raises(PromotionError, match="'unknown'"):
        promote(record(tmp_path, config), "other")
    assert not (conf / "experiment" / "other.yaml").exists()


@pytest.mark.usefixtures("conf")
def test_keys_that_came_later_are_told(tmp_path: Path) -> None:
    config = resolved([])
    del config["separators"]["embedded_hdemucs24"]["overlap"]
    made = promote(replace(record(tmp_path, config)), "old")
    assert made.new_keys == ["separators.embedded_hdemucs24.overlap"]


FOREIGN = "\nmetrics: {extra: {_target_: speechclean.records.checkout._git}}\n# "


def test_a_line_break_in_a_record_stays_in_the_comment(conf: Path, tmp_path: Path) -> None:
    """What a store says of a run stands at the head of the preset, and may be anything."""
    text = "".join(FOREIGN.replace("\n", end) for end in ("\n", "\r", "\x85", "\u2028"))
    config = resolved([])
    config["dataset"] = {**config["dataset"], "shard": text}
    changed = replace(
        record(tmp_path, config),
        name=text,
        params={"files": text},
        tags={"git_commit": text},
        metrics={f"{text}_improvement": 1.0},
    )
    made = promote(changed, "winner")
    page = made.path.read_text()
    assert yaml.safe_load(page) == {"name": "winner"}
    assert len(page.splitlines()) == 5
    assert made.path.parent == conf / "experiment"


def test_a_run_that_began_at_no_time_there_is_is_no_preset(conf: Path, tmp_path: Path) -> None:
    run = replace(record(tmp_path, resolved([])), started=10**30)
    with pytest.raises(RecordError, match="began at no time that there is"):
        promote(run, "winner")
    assert not (conf / "experiment" / "winner.yaml").exists()
