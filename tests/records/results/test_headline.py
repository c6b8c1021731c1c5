"""Five rows in plain words: the best metric that was measured, or why none was."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from speechclean.records.file_result import FileResult
from speechclean.records.results.headline import ROWS, headline


@dataclass
class Metric:
    unit: str
    higher_is_better: bool | None
    needs: str = ""


METRICS = {
    "words_lost": Metric("words", False, "transcript"),
    "wer_vs_mixture": Metric("", None),
    "music_residual_db": Metric("dB", False),
    "music_to_speech_db": Metric("dB", False),
    "pesq": Metric("", True, "reference"),
    "speaker_similarity": Metric("", True, "reference"),
    "stoi": Metric("", True, "reference"),
    "level_change_db": Metric("dB", None),
}


def result(alias: str, **values: tuple[float | None, float | None]) -> FileResult:
    columns = {
        f"{name}_{state}": value
        for name, pair in values.items()
        for state, value in zip(("mixture", "cleaned"), pair, strict=True)
    }
    return FileResult.from_row({"alias": alias, "status": "cleaned", **columns})


def test_words_are_summed_and_everything_else_is_a_mean() -> None:
    results = [
        result("a", words_lost=(4, 1), pesq=(1.2, 1.8), level_change_db=(0.0, -0.5)),
        result("b", words_lost=(3, 1), pesq=(1.0, 2.0), level_change_db=(0.0, 0.1)),
    ]
    rows = {row.name: row for row in headline(results, METRICS)}
    assert list(rows) == ["words lost", "music left", "speech quality", "voice kept", "level"]
    assert rows["words lost"].cells[:4] == ("words lost", "7", "2", "−5")
    assert rows["words lost"].gain == 5
    assert rows["speech quality"].cells[1:4] == ("1.10", "1.90", "+0.80")
    assert rows["level"].cells[1:4] == ("0.00 dB", "−0.20 dB", "−0.20 dB")
    assert rows["level"].gain is None


def test_words_are_out_of_as_many_as_were_said() -> None:
    results = [
        result("a", words_lost=(4, 1), words=(1200, 1200)),
        result("b", words_lost=(3, 1), words=(34, 34)),
        result("c", words_lost=(None, None), words=(None, None)),
    ]
    metrics = {**METRICS, "words": Metric("words", None, "transcript")}
    row = headline(results, metrics)[0]
    assert row.cells == ("words lost", "7", "2", "−5", "words_lost: of 1,234 words (2 of 3 files)")
    assert headline(results[:1], METRICS)[0].by == "of 1,200 words"


def test_the_best_metric_that_was_measured_is_named_with_how_many_files_it_had() -> None:
    results = [
        result("a", music_residual_db=(None, None), music_to_speech_db=(-3.0, -20.0)),
        result("b", music_residual_db=(-6.0, -30.0), music_to_speech_db=(-5.0, -20.0)),
        FileResult.failure("c", "c.wav", "no sound"),
    ]
    rows = {row.name: row for row in headline(results, METRICS)}
    assert rows["music left"].metric == "music_residual_db"
    assert rows["music left"].cells[3] == "−24.00 dB"
    assert rows["music left"].cells[4].endswith("(1 of 2 files)")
    assert rows["music left"].gain == 24


@pytest.mark.parametrize("metric", [name for choices in ROWS.values() for name in choices])
def test_each_choice_makes_its_row(metric: str) -> None:
    rows = headline([result("a", **{metric: (1.0, 2.0)})], {metric: Metric("", True)})
    assert [row.metric for row in rows if row.metric] == [metric]


def test_a_row_that_could_not_be_measured_says_why() -> None:
    silent = dict.fromkeys(METRICS, (None, None))
    rows = {row.name: row.cells for row in headline([result("a", **silent)], METRICS)}
    assert rows["speech quality"] == ("speech quality", "–", "–", "–", "no references")
    assert rows["voice kept"][4] == "no references"
    assert rows["words lost"][4] == "no transcripts"
    assert rows["music left"][4] == "none of these files allows it"
    rows = {row.name: row.cells for row in headline([result("a")], {})}
    assert rows["words lost"][4] == "not measured: add words_lost to metrics"
    failed = [FileResult.failure("a", "a.wav", "why")]
    assert {row.by for row in headline(failed, METRICS)} == {"no file was cleaned"}
