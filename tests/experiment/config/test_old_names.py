"""Whoever still writes a former name gets what it meant, and is told once."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.file_config_source import FileConfigSource as HydrasFiles
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from speechclean.experiment.cleaner import Cleaner
from speechclean.experiment.config import old_names
from speechclean.experiment.config.command_line import problems_of
from speechclean.experiment.config.compose import composed
from speechclean.experiment.config.config_files import FileConfigSource, old_names_in_files
from speechclean.experiment.config.instantiate import instantiate_components
from speechclean.experiment.config.old_names import in_overrides, todays
from speechclean.experiment.config.validate import validate
from speechclean.records.class_names import with_first
from speechclean.stages.pipeline import Pipeline
from speechclean.stages.separators.demucs import DemucsSeparator

#: What is said of each name.
TOLD = {
    "batch_seconds": "batch_seconds is called audio_in_memory_s now; the old name still works",
    "marks": "output.marks is called output.fingerprints now; the old name still works",
    "finished": "dataset=finished is called dataset=cleaned now; the old name still works",
}
SMALL = ["separators=[embedded_hdemucs_q]", "tracking=none", "metrics=[lufs]"]
MINE = """\
# @package _global_
defaults:
  - override /separators: [embedded_hdemucs_q]
  - override /dataset: finished
batch_seconds: 7
output: {marks: false}
separators: {embedded_hdemucs_q: {tuned: false, shifts: 3}}
dataset: {path: set.csv}
"""


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_names, "told", set())


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A preset of one's own, as an override that makes Hydra find it."""
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(MINE)
    return f"hydra.searchpath=[file://{tmp_path}]"


def plain(cfg: DictConfig) -> Any:
    cfg.output.dir, cfg.name = "x", "x"
    return OmegaConf.to_container(cfg, resolve=True)


def layers(pipeline: Pipeline) -> bool:
    separator = pipeline.separators["embedded_hdemucs_q"]
    assert isinstance(separator, DemucsSeparator)
    return separator.fast_layers


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("batch_seconds=7", "audio_in_memory_s=7"),
        ("++batch_seconds=7", "++audio_in_memory_s=7"),
        ("batch_seconds=7,30", "audio_in_memory_s=7,30"),
        ("~separators.local.tuned", "~separators.local.fast_layers"),
        ("output={marks: false, plots: false}", "output={fingerprints: false, plots: false}"),
        ("+separators.local={tuned:false}", "+separators.local={fast_layers:false}"),
        ("separators={local:{tuned:false}}", "separators={local:{fast_layers:false}}"),
        (
            "sweep.space={separators.a.tuned: 'choice(true,false)'}",
            "sweep.space={separators.a.fast_layers: 'choice(true,false)'}",
        ),
        ("dataset=finished", "dataset=cleaned"),
        ("dataset=finished,folder", "dataset=cleaned,folder"),
        ("dataset=choice(folder,finished)", "dataset=choice(folder,cleaned)"),
    ],
)
def test_an_override_is_what_it_meant(
    typed: str, meant: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert in_overrides([typed]) == [meant]
    assert in_overrides([meant, typed]) == [meant, meant]
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    "line",
    [
        "-m",
        "batch=local",
        "dataset.path=finished",
        "dataset.pattern=batch_seconds=1",
        "name=marks",
        "dataset=my_finished",
        "output={plots: false",
        "fusion.weights={tuned:1}",
        "in/finished.wav",
    ],
)
def test_everything_else_stays(line: str, caplog: pytest.LogCaptureFixture) -> None:
    assert in_overrides([line]) == [line]
    assert caplog.messages == []


def test_a_command_line_of_former_names_composes_to_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = "dataset.path=set.csv"
    then = [
        *SMALL,
        "dataset=finished",
        path,
        "batch_seconds=7",
        "output.marks=false",
        "separators.embedded_hdemucs_q.tuned=false",
    ]
    now = [
        *SMALL,
        "dataset=cleaned",
        path,
        "audio_in_memory_s=7",
        "output.fingerprints=false",
        "separators.embedded_hdemucs_q.fast_layers=false",
    ]
    assert plain(composed(then)) == plain(composed(now))
    assert sorted(caplog.messages)[:3] == sorted(TOLD.values())
    assert len(caplog.messages) == 4
    composed(then)
    assert len(caplog.messages) == 4, "once in a process"


def test_a_preset_of_ones_own_is_read_under_todays_names(
    mine: str, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = composed([mine, "experiment=mine"])
    assert cfg.audio_in_memory_s == 7
    assert cfg.output.fingerprints is False
    node = cfg.separators.embedded_hdemucs_q
    assert (node.fast_layers, node.shifts, "tuned" in node) == (False, 3, False)
    assert cfg.dataset._target_.endswith(".Cleaned")
    assert set(TOLD.values()) <= set(caplog.messages)
    assert len(caplog.messages) == 4


def test_what_comes_after_a_preset_has_the_last_word(mine: str) -> None:
    for line in (["audio_in_memory_s=9"], ["batch_seconds=9"]):
        assert composed([mine, "experiment=mine", *line]).audio_in_memory_s == 9
    assert composed([mine, "experiment=mine", "sweep=optuna"]).audio_in_memory_s == 30


@pytest.mark.parametrize(
    ("head", "typed"),
    [
        ("# @package separators.own\n", "separators=[own]"),
        ("", "+separators@separators.own=own"),
    ],
)
def test_a_separator_of_ones_own(head: str, typed: str, tmp_path: Path) -> None:
    (tmp_path / "separators").mkdir()
    (tmp_path / "separators" / "own.yaml").write_text(
        f"{head}_target_: speechclean.stages.separators.demucs.DemucsSeparator\n"
        "name: embedded_hdemucs_q\nrepo: embedded\ntuned: false\n"
    )
    cfg = composed([f"hydra.searchpath=[file://{tmp_path}]", "tracking=none", typed])
    problems, objects = instantiate_components(cfg)
    assert problems == []
    assert objects["separators.own"].fast_layers is False


def test_a_file_that_says_both_means_todays(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\nbatch_seconds: 7\naudio_in_memory_s: 8\n"
    (tmp_path / "experiment" / "both.yaml").write_text(text)
    cfg = composed([f"hydra.searchpath=[file://{tmp_path}]", "experiment=both"])
    assert cfg.audio_in_memory_s == 8


def test_what_is_wrong_is_said_under_todays_name() -> None:
    (problem,) = problems_of([*SMALL, "batch_seconds=0"])
    assert problem == "audio_in_memory_s=0.0 must be above 0"
    (problem,) = problems_of(["-m", *SMALL, "batch_seconds=0,1"])
    assert problem == "audio_in_memory_s=0.0 must be above 0"
    (problem,) = problems_of([*SMALL, "separators.embedded_hdemucs_q.tuned=maybe"])
    assert problem.startswith("separators.embedded_hdemucs_q.fast_layers=maybe: ")


def test_a_whole_config_of_then_becomes_the_same_objects(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As whoever built it from a file of then hands it over: without Hydra."""
    now = composed([*SMALL, "separators.embedded_hdemucs_q.fast_layers=false"])
    now.output.dir, now.name = str(tmp_path), "x"
    then = OmegaConf.create(with_first(OmegaConf.to_container(now, resolve=True)))
    assert "batch_seconds" in then
    assert "audio_in_memory_s" not in then
    one, other = validate(then), validate(now)
    assert one.pipeline.separators == other.pipeline.separators
    assert layers(one.pipeline) is False
    assert caplog.messages == [], "nobody typed it"
    assert todays(now) is now


def test_keywords_of_a_cleaner() -> None:
    lines = [*SMALL[:1], "enhancement=identity"]
    own: dict[str, Any] = {"separators.embedded_hdemucs_q": {"tuned": False}}
    cleaner = Cleaner("fast", batch_seconds=7, overrides=lines, **own)
    assert cleaner._batching.audio_in_memory_s == 7.0
    assert layers(cleaner._pipeline) is False
    assert {"batch_seconds", "tuned"} == old_names.told


def test_a_host_that_uses_hydra_itself_reads_its_own_files_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("batch_seconds: 3\n")
    with ThreadPoolExecutor(4) as pool:  # blocks that overlap
        list(pool.map(lambda _: _in_and_out(), range(200)))
    composed(SMALL)
    assert SourcesRegistry.instance().types["file"] is HydrasFiles
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(tmp_path)):
        assert compose("own") == {"batch_seconds": 3}


def _in_and_out() -> None:
    with old_names_in_files(), old_names_in_files():
        assert SourcesRegistry.instance().types["file"] is FileConfigSource


def test_what_was_told_goes_with_a_job_to_another_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "own.yaml").write_text("batch_seconds: 3\n")
    source = FileConfigSource("main", f"file://{tmp_path}")
    assert source.load_config("own").config == {"audio_in_memory_s": 3}
    sent = pickle.dumps(copy.deepcopy(source))
    old_names.told.clear()  # as in another process
    there = pickle.loads(sent)
    assert there.load_config("own").config == {"audio_in_memory_s": 3}
    assert caplog.messages == [TOLD["batch_seconds"]]
