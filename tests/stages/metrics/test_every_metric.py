"""What holds for every metric: its config, its words, its manners."""

from __future__ import annotations

import dataclasses
import importlib
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import get_class
from omegaconf import OmegaConf

from speechclean.stages import metrics
from speechclean.stages.metrics.edge_burst_db import EdgeBurst
from speechclean.stages.types import Separation, Track
from tests.support.paths import ROOT

CONF = ROOT / "conf" / "metrics"
FILES = sorted(CONF.glob("*.yaml"))
CLASSES: list[Any] = [get_class(OmegaConf.load(path)._target_) for path in FILES]
#: Need published weights: what they do is in test_published_networks.py.
PUBLISHED = [metric for metric in CLASSES if hasattr(metric, "weight_files")]
METRICS = [metric for metric in CLASSES if metric not in PUBLISHED]
every_metric = pytest.mark.parametrize("metric", METRICS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_config_shows_every_knob_with_its_default(path: Path) -> None:
    assert path.read_text().startswith(f"# @package metrics.{path.stem}\n# "), (
        "hydra stops reading headers at any other comment"
    )
    config: Any = OmegaConf.to_container(OmegaConf.load(path))
    module, name = config.pop("_target_").rsplit(".", 1)
    assert module == f"speechclean.stages.metrics.{path.stem}"
    cls = getattr(importlib.import_module(module), name)
    assert {field.name: field.default for field in dataclasses.fields(cls)} == config
    assert OmegaConf.merge(OmegaConf.structured(cls), config) == config


def test_every_metric_has_a_config() -> None:
    """A metric is what says its unit; those that only records name have none."""
    names = [path.stem for path in Path(metrics.__file__).parent.glob("*.py")]
    names.remove("former")
    modules = [importlib.import_module(f"{metrics.__name__}.{name}") for name in names]
    defined = {
        cls
        for module in modules
        for cls in vars(module).values()
        if hasattr(cls, "unit") and cls.__module__ == module.__name__
    }
    assert defined == set(CLASSES)
    assert len(METRICS) >= 13
    assert len(PUBLISHED) >= 13


@every_metric
def test_says_what_it_is(metric: Any) -> None:
    assert isinstance(metric.unit, str)
    assert metric.higher_is_better in (True, False, None)
    assert metric.reads_mask in (True, False)
    assert metric.__doc__
    assert metric() == metric()
    assert "name" not in {field.name for field in dataclasses.fields(metric)}


class Masked(Separation):
    """A separation that notes whether its mask was read."""

    @property
    def mask(self) -> torch.Tensor:
        self.__dict__["was_read"] = True
        return self.__dict__["kept"]

    @mask.setter
    def mask(self, value: torch.Tensor) -> None:
        self.__dict__["kept"] = value


def masked(separation: Separation) -> Masked:
    watched = object.__new__(Masked)
    values = {
        field.name: getattr(separation, field.name) for field in dataclasses.fields(Separation)
    }
    for name, value in values.items():
        object.__setattr__(watched, name, value)
    return watched


@every_metric
@pytest.mark.parametrize("with_reference", [True, False])
def test_reads_the_mask_only_where_it_says_so(
    metric: Any, pilot: list[tuple[Separation, Track]], with_reference: bool
) -> None:
    separation, track = pilot[0]
    if not with_reference:
        track = Track(track.alias, track.path)
    watched = masked(separation)
    metric()(watched, track)
    was_read = "was_read" in vars(watched)
    assert metric.reads_mask or not was_read
    if not with_reference:
        assert was_read == metric.reads_mask


@every_metric
def test_says_what_it_cannot_do_without(metric: Any, pilot: list[tuple[Separation, Track]]) -> None:
    """A run is told before any work what it cannot measure, and in its tables why."""
    needs = getattr(metric, "needs", "")
    assert needs in ("", "reference", "transcript")

    def without(track: Track) -> Track:
        reference = None if needs != "transcript" else track.reference_path
        words = None if needs != "reference" else track.transcript
        return Track(track.alias, track.path, reference, words)

    values = (metric()(separation, without(track)) for separation, track in pilot)
    assert any(value is not None for value in values) != bool(needs), "put it into `needs`"


def test_published_networks_say_so_too() -> None:
    assert not any(metric.reads_mask for metric in PUBLISHED)


@every_metric
def test_writes_into_nothing_and_repeats_itself(
    metric: Any, pilot: list[tuple[Separation, Track]]
) -> None:
    separation, track = pilot[0]
    kept = [
        x.clone()
        for x in (separation.mixture.waveform, separation.speech.waveform, separation.mask)
    ]
    assert track.reference is not None
    kept.append(track.reference.waveform.clone())
    first, threads = metric()(separation, track), torch.get_num_threads()
    metric()(separation.before(), track)
    assert metric()(separation, track) == first
    now = (
        separation.mixture.waveform,
        separation.speech.waveform,
        separation.mask,
        track.reference.waveform,
    )
    assert all(torch.equal(old, new) for old, new in zip(kept, now, strict=True))
    assert torch.get_num_threads() == threads


@every_metric
def test_finite_on_the_pilot_and_better_after_cleaning(
    metric: Any, pilot: list[tuple[Separation, Track]]
) -> None:
    for separation, track in pilot:
        before, after = metric()(separation.before(), track), metric()(separation, track)
        assert (before is None) == (after is None)
        if before is not None:
            assert isinstance(before, float)
            assert math.isfinite(before)
            assert math.isfinite(after)
            if metric is EdgeBurst:  # nothing is better than a mixture there: 0 by definition
                assert before == 0
            elif metric.higher_is_better is not None:
                assert after > before if metric.higher_is_better else after < before, track.alias


@every_metric
def test_silence_gives_no_number(metric: Any, separation: Any, track: Any) -> None:
    assert metric()(separation(torch.zeros(2, 16000)), track()) is None


def test_importing_costs_nothing_heavy() -> None:
    names = [metric.__module__ for metric in [*METRICS, *PUBLISHED]]
    heavy = [
        "whisper",
        "panns_inference",
        "torchaudio",
        "faster_whisper",
        "ctranslate2",
        "av",
        "onnxruntime",
        "silero_vad",
        "pyloudnorm",
        "pystoi",
        "pesq",
        "fast_bss_eval",
        "jiwer",
        "scipy",
        "hydra",
        "omegaconf",
        "mlflow",
    ]
    code = (
        f"import sys, {', '.join(names)}; print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
