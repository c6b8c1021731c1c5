"""Two runs held against each other: what differs, by how much, where."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from scipy import stats

from speechclean.audio.sound_files import save
from speechclean.audio.waveform import Audio
from speechclean.records.fingerprint import Fingerprinter
from speechclean.records.tracking import Record
from speechclean.reproduction import comparison
from tests.conftest import noise


class Folder:
    """The artifacts of a run, in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def list_artifacts(self, _run: str, folder: str | None) -> list[Any]:
        there = self.path / (folder or "")
        names = (
            [str(path.relative_to(self.path)) for path in there.iterdir()] if there.is_dir() else []
        )
        return [type("Artifact", (), {"path": name}) for name in names]

    def download_artifacts(self, _run: str, path: str, _to: str) -> str:
        return str(self.path / path)


def run(folder: Path, config: dict[str, Any], values: list[float], changed: float = 0.0) -> Record:
    """A run of one file per value; `changed` is added to the second second of the first file,
    behind the fusion."""
    (folder / "cleaned").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    rows = [
        {"alias": f"f{index}", "status": "cleaned", "stoi_cleaned": value}
        for index, value in enumerate(values)
    ]
    (folder / "metrics.json").write_text(json.dumps({"rows": rows}))
    fingerprints = {}
    for index in range(len(values)):
        sound = (noise(3.0, seed=index).waveform * 32768).round() / 32768
        fingerprinter = Fingerprinter()
        fingerprinter.feed("fusion", sound)
        sound[:, 24000:48000] += changed * (index == 0)
        fingerprinter.feed("output", sound)
        save(Audio(sound, 24000), folder / f"cleaned/f{index}.wav", "PCM_24")
        fingerprints[f"f{index}"] = {
            stage: fingerprint.to_json()
            for stage, fingerprint in fingerprinter.fingerprints().items()
        }
    (folder / "marks.json").write_text(json.dumps(fingerprints))
    return Record(folder.name, folder.name, "FINISHED", "e", "1", 0, {}, {}, {}, Folder(folder))


def test_only_what_differs_of_the_configs(tmp_path: Path) -> None:
    config = {
        "name": "a",
        "shifts": 1,
        "fusion": {"weights": None},
        "output": {"dir": "x"},
        "tracking": {"uri": "y"},
    }
    other = {
        "name": "b",
        "shifts": 2,
        "fusion": {"weights": None, "new": 3},
        "output": {"dir": "z"},
        "tracking": {"uri": "w"},
    }
    one, two = run(tmp_path / "one", config, [0.5]), run(tmp_path / "two", other, [0.5])
    assert comparison.config_differences([one, two]) == {"shifts": [1, 2], "fusion.new": [None, 3]}


def test_a_class_that_has_moved_is_no_difference(tmp_path: Path) -> None:
    """A run logged before the move against one of today: only what they are made of counts."""
    guard = {"_target_": "speechclean.guard.Fallback", "wets": [0.9]}
    then = {
        "guard": guard,
        "separators": {"a": {"_target_": "speechclean.separators.demucs.DemucsSeparator"}},
    }
    now = {
        "guard": {**guard, "_target_": "speechclean.stages.guard.Fallback"},
        "separators": {"a": {"_target_": "speechclean.stages.separators.demucs.DemucsSeparator"}},
    }
    one, two = run(tmp_path / "then", then, [0.5]), run(tmp_path / "now", now, [0.5])
    assert comparison.config_differences([one, two]) == {}
    now["guard"] = {"_target_": "speechclean.stages.guard.NoGuard", "wets": [0.9]}
    three = run(tmp_path / "other", now, [0.5])
    assert comparison.config_differences([one, three]) == {
        "guard._target_": ["speechclean.stages.guard.Fallback", "speechclean.stages.guard.NoGuard"]
    }


def test_a_key_that_was_renamed_is_no_difference(tmp_path: Path) -> None:
    then = {
        "batch_seconds": 60.0,
        "output": {"marks": True},
        "separators": {"a": {"tuned": True}},
    }
    now = {
        "audio_in_memory_s": 30.0,
        "output": {"fingerprints": True},
        "separators": {"a": {"fast_layers": True}},
    }
    one, two = run(tmp_path / "then", then, [0.5]), run(tmp_path / "now", now, [0.5])
    assert comparison.config_differences([one, two]) == {"audio_in_memory_s": [60.0, 30.0]}


def test_the_paired_test_is_that_of_the_textbook() -> None:
    before, after = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [0.2, 0.25, 0.32, 0.39, 0.6, 0.75, 0.9]
    found = comparison.paired("stoi", list(zip(before, after, strict=True)))
    reference = stats.ttest_rel(after, before).confidence_interval(0.95)
    assert found.interval == pytest.approx((reference.low, reference.high))
    assert found.change == pytest.approx(sum(after) / 7 - sum(before) / 7)
    assert (found.higher, found.lower, found.files) == (6, 1, 7)
    assert found.p == pytest.approx(stats.wilcoxon(before, after).pvalue)
    assert comparison.paired("stoi", [(1.0, 2.0)]).p is None
    assert math.isnan(comparison.paired("stoi", [(1.0, 2.0)]).interval[0])


def test_where_the_sound_differs(tmp_path: Path) -> None:
    one, two = (
        run(tmp_path / "one", {}, [0.5, 0.6]),
        run(tmp_path / "two", {}, [0.5, 0.7], changed=0.05),
    )
    first, second = comparison.sound_differences(one, two)
    assert (first.stage, first.loudest_s) == ("output", 1.0)
    ratio = 10 * torch.log10(torch.tensor(0.05**2 / 0.1**2 / 3)).item()
    assert first.db == pytest.approx(ratio, abs=0.2)
    assert (second.stage, second.db) == (None, -math.inf)
    (metric,) = comparison.metric_changes(one, two)
    assert (metric.metric, metric.files) == ("stoi", 2)
    assert metric.change == pytest.approx(0.05)


def test_it_prints(tmp_path: Path) -> None:
    from rich.console import Console

    from speechclean.reproduction.comparison_report import show

    one, two = (
        run(tmp_path / "one", {"shifts": 1}, [0.5, 0.6]),
        run(tmp_path / "two", {"shifts": 2}, [0.5, 0.7], 0.05),
    )
    console = Console(record=True, width=160, quiet=False, file=io.StringIO())
    show([one, two, one], console)
    page = console.export_text()
    for expected in ("shifts", "stoi", "first differs at output (1), nowhere (1)", "f0"):
        assert expected in page
