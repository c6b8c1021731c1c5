"""Verdicts: what counts as harm, what as gain, what says nothing, and in which words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from omegaconf import OmegaConf

from speechclean.records.file_result import FileResult, Status
from speechclean.records.results import verdict
from speechclean.records.results.verdict import Thresholds
from tests.support.paths import ROOT


@dataclass
class Metric:
    unit: str
    higher_is_better: bool | None


METRICS = {
    "words_lost": Metric("words", False),
    "wer": Metric("", False),
    "wer_vs_mixture": Metric("", None),
    "stoi": Metric("", True),
    "si_sdr": Metric("dB", True),
    "dnsmos_ovrl": Metric("", True),
    "lufs": Metric("LUFS", None),
    "level_change_db": Metric("dB", None),
    "edge_burst_db": Metric("dB", False),
    "music_residual_db": Metric("dB", False),
    "music_to_speech_db": Metric("dB", False),
}
#: As configs had them before there were ceilings, limits and alarms.
OLD = Thresholds(
    harm={"wer": 0.05, "stoi": 0.03, "lufs": 6.0, "squim": 1.0}, gain={"si_sdr": 1.0, "wer": 0.05}
)
NEW = Thresholds(
    harm={
        "words_lost": 0,
        "wer_vs_mixture": 0.3,
        "stoi": 0.03,
        "si_sdr": 1.0,
        "dnsmos_ovrl": 0.2,
        "level_change_db": 4.0,
    },
    gain={"words_lost": 1, "si_sdr": 1.0, "dnsmos_ovrl": 0.2, "music_residual_db": 3.0},
    ceiling={"si_sdr": 30.0, "stoi": 0.97, "music_residual_db": -60.0},
    limit={"edge_burst_db": 10.0},
    alarms=["wer_vs_mixture", "level_change_db", "edge_burst_db", "music_residual_db"],
    only_where={"wer_vs_mixture": {"music_residual_db": -5.0, "music_to_speech_db": -5.0}},
)
Pairs = dict[str, tuple[float | None, float | None]]


def judged(rules: Thresholds, values: Pairs) -> str:
    measures = {
        f"{name}_{state}": value
        for name, pair in values.items()
        for state, value in zip(("mixture", "cleaned"), pair, strict=True)
    }
    return rules.judge(measures, METRICS)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"wer": (0.10, 0.18)}, "harmed: WER +0.08"),
        ({"stoi": (0.90, 0.85), "wer": (0.1, 0.2)}, "harmed: WER +0.10, STOI −0.05"),
        # exactly the threshold, which floating point steps over
        ({"stoi": (0.90, 0.87)}, "unchanged"),
        ({"si_sdr": (2.0, 3.0), "stoi": (0.9, 0.88)}, "improved"),
        ({"si_sdr": (2.0, 9.0), "wer": (0.0, 0.5)}, "harmed: WER +0.50"),  # harm outweighs gain
        ({"si_sdr": (2.0, 2.9)}, "unchanged"),
        ({"lufs": (-20.0, -30.0)}, "harmed: LUFS −10.00"),
        ({"lufs": (-20.0, -10.0)}, "harmed: LUFS +10.00"),
        ({"lufs": (-20.0, -21.0)}, "unchanged"),
        ({"stoi": (0.9, None)}, "harmed: STOI gone"),
        ({"si_sdr": (0.9, None)}, "unchanged"),
        ({"wer": (None, 0.4)}, "not judged"),
        ({}, "not judged"),
    ],
)
def test_recorded_thresholds_mean_what_they_meant(values: Pairs, expected: str) -> None:
    assert judged(OLD, values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # one word is enough, whatever else got better
        ({"words_lost": (2, 3), "si_sdr": (0.0, 12.0)}, "harmed: words lost +1"),
        ({"si_sdr": (12.0, 0.0), "words_lost": (0, 4)}, "harmed: words lost +4, SI-SDR −12.00 dB"),
        ({"words_lost": (3, 2)}, "improved"),
        ({"words_lost": (3, 3), "si_sdr": (0.0, 5.0)}, "improved"),
        ({"words_lost": (0, 0), "stoi": (0.9, 0.9)}, "unchanged"),
        # without words the others decide
        ({"words_lost": (None, None), "dnsmos_ovrl": (1.5, 2.5)}, "improved"),
        ({"dnsmos_ovrl": (2.5, 2.0)}, "harmed: DNSMOS-OVRL −0.50"),
        ({"dnsmos_ovrl": (2.5, 2.6), "music_residual_db": (-6.0, -30.0)}, "improved"),
        ({"dnsmos_ovrl": (2.5, 2.6)}, "unchanged"),
    ],
)
def test_words_first(values: Pairs, expected: str) -> None:
    assert judged(NEW, values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # its own reference: from the cap of 100 dB to what a good separator gives back
        ({"si_sdr": (100.0, 45.0), "stoi": (1.0, 0.975)}, "unchanged"),
        ({"si_sdr": (100.0, 25.0)}, "harmed: SI-SDR −5.00 dB"),
        ({"stoi": (1.0, 0.93)}, "harmed: STOI −0.04"),
        ({"si_sdr": (29.0, 60.0)}, "improved"),
        ({"si_sdr": (31.0, 60.0)}, "unchanged"),
        # the better is down: nothing is gained below a quiet room
        ({"dnsmos_ovrl": (3.0, 3.0), "music_residual_db": (-70.0, -100.0)}, "unchanged"),
        ({"dnsmos_ovrl": (3.0, 3.0), "music_residual_db": (-58.0, -100.0)}, "unchanged"),
        ({"dnsmos_ovrl": (3.0, 3.0), "music_residual_db": (-50.0, -100.0)}, "improved"),
    ],
)
def test_above_a_ceiling_a_difference_says_nothing(values: Pairs, expected: str) -> None:
    assert judged(NEW, values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # nothing hears the voice: that the music went is no improvement yet, that the level stayed
        # no sign that all is well
        ({"music_residual_db": (-5.0, -40.0)}, "not judged"),
        ({"level_change_db": (0.0, -1.0), "edge_burst_db": (3.0, 1.0)}, "not judged"),
        ({"music_to_speech_db": (-6.0, -30.0), "wer_vs_mixture": (0.0, 0.1)}, "not judged"),
        ({"lufs": (-20.0, -40.0)}, "not judged"),
        # but alarms can tell harm
        ({"level_change_db": (0.0, -6.02)}, "harmed: level −6.02 dB"),
        ({"level_change_db": (0.0, 6.02)}, "harmed: level +6.02 dB"),
        ({"level_change_db": (0.0, -6.02), "si_sdr": (2.0, 9.0)}, "harmed: level −6.02 dB"),
        ({"level_change_db": (0.0, None), "si_sdr": (2.0, 9.0)}, "improved"),
    ],
)
def test_what_only_alarms_can_tell(values: Pairs, expected: str) -> None:
    assert judged(NEW, values) == expected


@pytest.mark.parametrize(
    ("burst", "expected"),
    [
        ((2.0, 25.0), "harmed: burst at an end 25.00 dB"),
        ((None, 25.0), "harmed: burst at an end 25.00 dB"),
        ((-8.0, 9.5), "improved"),  # it rose, and nobody hears a burst
        ((30.0, 25.0), "improved"),  # the recording's own
        ((25.0, 30.0), "harmed: burst at an end 30.00 dB"),
        ((2.0, None), "improved"),
    ],
)
def test_a_burst_at_an_end_is_harm(burst: tuple[float | None, float | None], expected: str) -> None:
    assert judged(NEW, {"edge_burst_db": burst, "si_sdr": (2.0, 9.0)}) == expected


@pytest.mark.parametrize(
    ("where", "harm"),
    [
        ({"music_residual_db": (-12.0, -40.0)}, True),
        ({"music_to_speech_db": (-5.0, -40.0)}, True),
        # as loud as the voice: what was heard there need not have been the text
        ({"music_residual_db": (0.0, -40.0), "music_to_speech_db": (1.0, -40.0)}, False),
        ({"music_residual_db": (0.0, -40.0), "music_to_speech_db": (-8.0, -40.0)}, True),
        ({}, False),
    ],
)
def test_other_words_count_where_the_mixture_was_understood(where: Pairs, harm: bool) -> None:
    found = judged(NEW, {"wer_vs_mixture": (0.0, 0.5), **where})
    assert verdict.is_harm(found) == harm
    assert harm or found == "not judged"


def test_without_a_metric_its_thresholds_are_gone_and_the_rest_is_there() -> None:
    less = NEW.without("level_change_db")
    assert judged(less, {"level_change_db": (0.0, -6.0), "si_sdr": (2.0, 9.0)}) == "improved"
    assert "level_change_db" not in less.asked
    assert set(NEW.asked) - set(less.asked) == {"level_change_db"}
    assert "edge_burst_db" not in NEW.without("edge_burst_db").accusers


def test_every_name_is_told_with_its_key() -> None:
    named = dict(NEW.named())
    assert named["only_where.wer_vs_mixture.music_to_speech_db"] == "music_to_speech_db"
    assert set(named.values()) == set(METRICS) - {"wer", "lufs"}


def test_the_default_judges_and_each_alarm_is_asked() -> None:
    config: Any = OmegaConf.to_container(OmegaConf.load(ROOT / "conf/verdict/default.yaml"))
    config.pop("_target_")
    rules = Thresholds(**config)
    assert set(rules.alarms) <= set(rules.asked)
    assert set(rules.only_where) <= set(rules.asked)
    assert set(rules.ceiling) <= set(rules.asked)
    assert judged(rules, {"si_sdr": (100.0, 45.0), "stoi": (1.0, 0.996)}) == "unchanged"
    assert judged(rules, {"level_change_db": (0.0, -6.02), "si_sdr": (0.0, 9.0)}).startswith("harm")


def test_counts_and_worst_first() -> None:
    said = [
        "improved",
        "harmed: WER +0.1",
        "harmed: A +1, B +2",
        "improved",
        "not judged",
        "passed through",
        "",
    ]
    results = [
        FileResult(str(number), "", Status.CLEANED, verdict=words)
        for number, words in enumerate(said)
    ]
    results.append(FileResult.failure("failed", "", "why"))
    assert verdict.counts(results) == {
        "improved": 2,
        "harmed": 2,
        "not judged": 1,
        "passed through": 1,
    }
    assert [result.alias for result, _ in verdict.harmed(results)] == ["2", "1"]
    lost = {"words_lost_mixture": 1.0, "words_lost_cleaned": 2.0}
    results.append(FileResult("w", "", Status.CLEANED, measures=lost, verdict="harmed: words +1"))
    assert [result.alias for result, _ in verdict.harmed(results)] == ["w", "2", "1"]


def test_a_run_says_who_had_a_say() -> None:
    heard = FileResult("a", "", Status.CLEANED, measures={"wer_mixture": 0.0, "wer_cleaned": 0.0})
    deaf = FileResult("b", "", Status.CLEANED, measures={"cer_mixture": None, "cer_cleaned": None})
    said = verdict.judged_by(["cer", "wer", "stoi"], [heard, deaf])
    assert said == "Judged by wer; without a say, since not measured: cer, stoi."
    assert verdict.judged_by(["wer"], [heard, deaf]) == "Judged by wer."
    assert "cer" in verdict.judged_by(["cer"], [deaf])
    assert verdict.judged_by([], [heard]) == ""


def test_a_run_says_which_fusions_were_kept() -> None:
    kept = {
        "a": "own: words_lost 1",
        "b": "deep: words_lost 0",
        "c": "deep: words_lost 2",
        "d": None,
    }
    measures = {"wer_mixture": 0.0, "wer_cleaned": 0.0}
    results = [
        FileResult(name, "", Status.CLEANED, measures=measures, selected=one)
        for name, one in kept.items()
    ]
    assert verdict.judged_by(["wer"], results) == "Judged by wer. Fusions kept: deep 2, own 1."
    assert FileResult.from_row(results[0].row()).selected == "own: words_lost 1"
    assert "selected" not in results[-1].row()


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"harm": {"wer": -1.0}}, r"harm\.wer=-1.0 must be 0 or more"),
        ({"gain": {"wer": float("nan")}}, "must be 0 or more"),
        ({"ceiling": {"stoi": float("inf")}}, r"ceiling\.stoi=inf must be a number"),
        ({"limit": {"stoi": float("nan")}}, "must be a number"),
        ({"only_where": {"wer": {"stoi": float("nan")}}}, r"only_where\.wer\.stoi"),
    ],
)
def test_bad_arguments(bad: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Thresholds(**bad)
