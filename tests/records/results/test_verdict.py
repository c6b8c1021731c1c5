"""Verdicts: what counts as harm, what as gain, and in which words."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from speechclean.records.file_result import FileResult, Status
from speechclean.records.results import verdict
from speechclean.records.results.verdict import Thresholds


@dataclass
class Metric:
    unit: str
    higher_is_better: bool | None


METRICS = {
    "wer": Metric("", False),
    "stoi": Metric("", True),
    "si_sdr": Metric("dB", True),
    "lufs": Metric("LUFS", None),
}
RULES = Thresholds(
    harm={"wer": 0.05, "stoi": 0.03, "lufs": 6.0, "squim": 1.0}, gain={"si_sdr": 1.0, "wer": 0.05}
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"wer": (0.10, 0.18)}, "harmed: WER +0.08"),
        ({"stoi": (0.90, 0.85), "wer": (0.1, 0.2)}, "harmed: STOI −0.05, WER +0.10"),
        # exactly the threshold, which floating point steps over
        ({"stoi": (0.90, 0.87)}, "unchanged"),
        ({"si_sdr": (2.0, 3.0), "stoi": (0.9, 0.88)}, "improved"),
        ({"si_sdr": (2.0, 9.0), "wer": (0.0, 0.5)}, "harmed: WER +0.50"),  # harm outweighs gain
        ({"si_sdr": (2.0, 2.9)}, "unchanged"),
        ({"lufs": (-20.0, -30.0)}, "harmed: LUFS −10.00"),
        ({"lufs": (-20.0, -10.0)}, "harmed: LUFS +10.00"),
        ({"stoi": (0.9, None)}, "harmed: STOI gone"),
        ({"si_sdr": (0.9, None)}, "unchanged"),
        ({"wer": (None, 0.4)}, "not judged"),
        ({}, "not judged"),
    ],
)
def test_words(values: dict[str, tuple[float | None, float | None]], expected: str) -> None:
    measures = {
        f"{name}_{state}": value
        for name, pair in values.items()
        for state, value in zip(("mixture", "cleaned"), pair, strict=True)
    }
    assert RULES.judge(measures, METRICS) == expected


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


@pytest.mark.parametrize("bad", [{"harm": {"wer": -1.0}}, {"gain": {"wer": float("nan")}}])
def test_bad_arguments(bad: dict[str, dict[str, float]]) -> None:
    with pytest.raises(ValueError, match="must be 0 or more"):
        Thresholds(**bad)
