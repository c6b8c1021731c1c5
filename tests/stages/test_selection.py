"""Which of several fusions a file keeps, and that candidates are what runs of their own make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from speechclean.experiment.clean import Outcome
from speechclean.experiment.config.build import build
from speechclean.experiment.config.compose import composed
from speechclean.experiment.measure import assess
from speechclean.records.results.verdict import Thresholds
from speechclean.stages.guard import NoGuard
from speechclean.stages.pipeline import Pipeline
from speechclean.stages.selection import OWN, RULES, BestOf
from speechclean.stages.types import Separation, Track
from tests.conftest import noise
from tests.support.paths import ROOT

SOFT = {"fusion": "mean_mask", "exponent": 1.0}
DEEP = {"fusion": "min_mask", "separators": ["embedded_hdemucs_q"]}
TWO = BestOf({"soft": SOFT, "deep": DEEP})


def separation(**values: Mapping[str, float | None]) -> Separation:
    """A separation, and others by name; what their metrics say is in `VALUES`."""
    mixture = noise(0.1)
    made = {name: Separation(mixture, mixture, torch.ones(1, 2, 3)) for name in values}
    VALUES.update({id(made[name]): said for name, said in values.items()})
    KEPT.extend(made.values())  # so that no id is used again
    own = made.pop(OWN)
    whole = replace(own, others=made)
    VALUES[id(whole)] = VALUES[id(own)]
    return whole


VALUES: dict[int, Mapping[str, float | None]] = {}
KEPT: list[Separation] = []


def value(name: str, one: Separation) -> float | None:
    return VALUES[id(one)].get(name)


def said(words: float | None, music: float | None, near: float | None = None) -> Any:
    return {"words_lost": words, "music_residual_db": music, "wer_vs_mixture": near}


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({OWN: said(2, -30), "soft": said(1, -20), "deep": said(2, -60)}, "soft"),
        ({OWN: said(1, -30), "soft": said(1, -20), "deep": said(1, -60)}, "deep"),
        ({OWN: said(1, -30), "soft": said(1, -20), "deep": said(2, -60)}, OWN),
        # Alike in all: what the config asks for.
        ({OWN: said(0, -30), "soft": said(0, -30), "deep": said(0, -30)}, OWN),
        # No pauses in which music could be measured.
        ({OWN: said(1, None), "soft": said(0, None), "deep": said(0, None)}, "soft"),
        ({OWN: said(0, None), "soft": said(0, -20), "deep": said(3, -60)}, "soft"),
        # Without a transcript the next metric decides; one that only some have says nothing.
        ({OWN: said(None, -30, 0.2), "soft": said(None, -20, 0.1)}, "soft"),
        ({OWN: said(2, -30, 0.1), "soft": said(None, -20, 0.2)}, OWN),
        ({OWN: said(None, -30), "soft": said(None, -60)}, OWN),
    ],
)
def test_words_first_then_music(values: dict[str, Any], kept: str) -> None:
    name, reason = TWO(separation(**values), value)
    assert name == kept
    decided = values[kept]["words_lost"]
    if decided is not None and kept == "soft":
        assert f"words_lost {decided}" in reason
        assert f"own {values[OWN]['words_lost']}" in reason
    if values[OWN]["words_lost"] is values[OWN]["wer_vs_mixture"] is None:
        assert "none of words_lost, wer_vs_mixture could be measured" in reason


@pytest.mark.parametrize(
    ("candidates", "told"),
    [
        ({}, "one or more"),
        ({OWN: SOFT}, "'own'"),
        ({"a": {"fusion": "mean"}}, "candidates.a=.* one of geometric_mask"),
        ({"a": "mean_mask"}, "candidates.a=mean_mask must have fusion"),
        ({"a": SOFT | {"exponnt": 1}}, "candidates.a.exponnt: mean_mask has no such knob"),
        ({"a": SOFT | {"exponent": 0}}, r"candidates.a.exponent=0 must be above 0"),
        ({"a": SOFT | {"separators": []}}, "candidates.a.separators"),
    ],
)
def test_candidates_that_are_none(candidates: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        BestOf(candidates)


def test_every_rule_of_the_choices_can_be_a_candidate() -> None:
    chosen = {path.stem: OmegaConf.load(path)._target_ for path in (ROOT / "conf/fusion").iterdir()}
    assert {name: f"{rule.__module__}.{rule.__name__}" for name, rule in RULES.items()} == chosen


def pipeline_of(*overrides: str) -> Pipeline:
    return build(composed(["output.dir=.", "tracking=none", "device=cpu", *overrides])).pipeline


def test_a_candidate_is_what_a_run_with_its_fusion_makes() -> None:
    both = "separators=[embedded_htdemucs,embedded_hdemucs_q]"
    plain = pipeline_of(both)
    selecting = replace(plain, alternatives=TWO.fusions())
    mixtures = [noise(0.7, 24000, seed=0), noise(0.4, 48000, channels=2, seed=1)]
    fed: list[str] = []
    made = selecting(mixtures, watch=lambda _, stage, __: fed.append(stage))
    soft = pipeline_of(both, "fusion=mean_mask", "fusion.exponent=1", "fusion.weights=null")
    deep = pipeline_of("separators=[embedded_hdemucs_q]", "fusion=min_mask")
    runs = {OWN: plain, "soft": soft, "deep": deep}
    for index, (mixture, one) in enumerate(zip(mixtures, made, strict=True)):
        assert set(one.others) == {"soft", "deep"}
        for name, found in {OWN: one, **one.others}.items():
            expected = runs[name]([mixture])[0]
            assert torch.equal(found.speech.waveform, expected.speech.waveform), (index, name)
            assert found.mixture.sample_rate == mixture.sample_rate
    assert fed.count("fusion") == len(mixtures), "fingerprints are those of the config's own"


@dataclass(frozen=True)
class Counted:
    """A level of the speech; it counts how often it is measured."""

    asked: list[int]
    unit: str = ""
    higher_is_better: bool = False
    reads_mask: bool = False

    def __call__(self, one: Separation, track: Track) -> float | None:  # noqa: ARG002
        self.asked.append(id(one.speech))
        return float(one.speech.waveform.abs().mean())


@dataclass
class Asked:
    metrics: dict[str, Any]
    selection: Any
    guard: Any = field(default_factory=NoGuard)
    verdict: Any = field(default_factory=Thresholds)


def test_what_is_kept_is_measured_once_and_recorded_with_its_reason() -> None:
    mixture = noise(0.2)
    loud, soft, quiet = (
        Separation(mixture, mixture.with_waveform(gain * mixture.waveform), torch.ones(1, 2, 3))
        for gain in (0.9, 0.5, 0.1)
    )
    asked: list[int] = []
    metrics = {"words_lost": Counted(asked), "music_residual_db": Counted(asked)}
    state = replace(loud, others={"soft": soft, "quiet": quiet})
    outcome = Outcome(Track("a", Path("a.wav")), state)
    kept, found = assess(outcome, state, Asked(metrics, TWO))
    assert torch.equal(kept.speech.waveform, quiet.speech.waveform)
    assert not kept.others
    assert found.selected is not None
    assert found.selected.startswith("quiet: words_lost 0.0")
    assert found.measures["words_lost_cleaned"] == float(quiet.speech.waveform.abs().mean())
    assert found.measures["words_lost_mixture"] == float(mixture.waveform.abs().mean())
    # Words of three, music of the one that loses fewest, both of the mixture.
    assert len(asked) == 6


def test_a_metric_that_fails_costs_the_choice_and_not_the_file() -> None:
    def broken(_: Separation, __: Track) -> float:
        raise RuntimeError("deaf")

    mixture = noise(0.2)
    own = Separation(mixture, mixture, torch.ones(1, 2, 3))
    state = replace(own, others={"soft": own.with_speech(0 * mixture.waveform)})
    outcome = Outcome(Track("a", Path("a.wav")), state)
    kept, found = assess(outcome, state, Asked({"words_lost": broken}, TWO))
    assert torch.equal(kept.speech.waveform, mixture.waveform)
    assert found.selected == "own: none of words_lost, wer_vs_mixture could be measured"
