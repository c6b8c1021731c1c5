"""What the reports say is what was measured: means over what there is, nothing made up, every name
as it was."""

import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from speechclean.records import run_folder
from speechclean.records.file_result import HEAD, FileResult
from speechclean.records.results import tables, terminal_table
from speechclean.records.results.summary import means_of
from speechclean.records.results.summary_page import summary_page


@dataclass
class Metric:
    unit: str
    higher_is_better: bool | None


METRICS = {
    "si_sdr": Metric("dB", True),
    "wer": Metric("", False),
    "lufs": Metric("LUFS", None),
    "stoi": Metric("", True),
}


def result(
    alias: str, status: str = "cleaned", reason: str = "", **values: float | None
) -> FileResult:
    head = {"alias": alias, "path": f"in/{alias}.wav", "status": status, "reason": reason}
    return FileResult.from_row({**head, **values})


RESULTS = [
    result(
        "one",
        si_sdr_mixture=2.0,
        si_sdr_cleaned=8.0,
        wer_mixture=0.5,
        wer_cleaned=0.25,
        lufs_mixture=-20.0,
        lufs_cleaned=-23.0,
    ),
    result(
        "zwölf|[b]",
        si_sdr_mixture=0.0,
        si_sdr_cleaned=2.0,
        wer_mixture=None,
        wer_cleaned=None,
        demucs_s=1.25,
    ),
    result(
        "half",
        si_sdr_mixture=50.0,
        si_sdr_cleaned=None,
        wer_mixture=None,
        wer_cleaned=1.0,
        lufs_mixture=-1.0,
    ),
    result("bad", "failed", "in/bad.wav: the file is empty\n(0 bytes) [red]"),
]
MEANS = means_of(RESULTS, METRICS)


def test_means_are_over_files_with_both_values_and_improvement_is_positive_for_the_better() -> None:
    assert MEANS == {
        "si_sdr_mixture": 1.0,
        "si_sdr_cleaned": 5.0,
        "si_sdr_improvement": 4.0,
        "wer_mixture": 0.5,
        "wer_cleaned": 0.25,
        "wer_improvement": 0.25,
        "lufs_mixture": -20.0,
        "lufs_cleaned": -23.0,
        "lufs_change": -3.0,
        "files_cleaned": 3.0,
        "files_failed": 1.0,
    }


def test_no_files_and_no_metrics_are_no_error(tmp_path: Path) -> None:
    assert means_of([], METRICS) == {"files_cleaned": 0.0, "files_failed": 0.0}
    for path in tables.write_all([], means_of([], METRICS), METRICS, tmp_path):
        assert path.stat().st_size
    terminal_table.print_table(Console(quiet=True), [], {}, tmp_path)


def test_csv_keeps_every_name_and_number_and_leaves_cells_empty(tmp_path: Path) -> None:
    path = run_folder.write_metrics_csv(
        [*RESULTS, result("π, \"'", third_cleaned=1 / 3)], tmp_path / "new folder"
    )
    with path.open(newline="", encoding="utf-8") as file:
        back = list(csv.DictReader(file))
    assert [line["alias"] for line in back] == ["one", "zwölf|[b]", "half", "bad", "π, \"'"]
    assert list(back[0])[:7] == list(HEAD)
    assert back[1]["wer_cleaned"] == ""
    assert float(back[1]["demucs_s"]) == 1.25
    assert back[3]["reason"] == RESULTS[3].reason
    assert float(back[4]["third_cleaned"]) == 1 / 3


def test_json_says_how_many_files_each_mean_rests_on(tmp_path: Path) -> None:
    path = tables.write_metrics_json(RESULTS, MEANS, METRICS, tmp_path / "metrics.json")
    found = json.loads(path.read_text())
    assert found["means"] == MEANS
    assert found["files"] == {"si_sdr": 2, "wer": 1, "lufs": 1}
    assert found["units"]["lufs"] == "LUFS"
    assert found["rows"] == [one.row() for one in RESULTS]
    assert list(run_folder.read_results(path).values()) == RESULTS


def test_what_is_no_number_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text("before")
    with pytest.raises(ValueError, match="not JSON compliant"):
        run_folder.write_json({"a": float("nan")}, path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run_folder.write_text("old", tmp_path / "summary.md")

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="no space"):
        run_folder.write_text("new", path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_summary_tells_means_worst_files_failures_and_config(tmp_path: Path) -> None:
    config = {
        "name": "pilot",
        "separators": {"a": {"_target_": "x.A"}, "b": {}},
        "fusion": {"_target_": "speechclean.stages.fusion.mean_mask.MeanMask", "window_s": 0.085},
        "postprocess": {},
        "tracking": {"uri": "postgresql://me:secret@host/db"},
    }
    text = summary_page(RESULTS, MEANS, METRICS, tmp_path, config)
    assert "# 3 of 4 files cleaned" in text
    assert "| si_sdr | dB | 1.00 | 5.00 | +4.00 | ↑ | 2 |" in text
    assert "| wer |  | 0.50 | 0.25 | -0.25 | ↓ | 1 |" in text
    assert "| stoi |" not in text, "what was never measured has no line"
    assert "| words lost | 0.50 | 0.25 | −0.25 | wer: share heard wrong (1 of 3 files) |" in text
    assert text.index("words lost") < text.index("## All means")
    assert "harmed" not in text
    assert text.index(r"zwölf\|[b]") < text.index("| one |"), "the least gain first"
    assert "| bad | in/bad.wav: the file is empty (0 bytes) [red] |" in text
    assert "- separators: `a`, `b`" in text
    assert "- fusion: `MeanMask(window_s=0.085)`" in text
    assert "- postprocess: none" in text
    assert "secret" not in text


def test_the_terminal_shows_one_table_then_failures_then_where_to_look(tmp_path: Path) -> None:
    (tmp_path / "cleaned").mkdir()
    console = Console(width=100, record=True, file=io.StringIO())
    terminal_table.print_table(
        console,
        [*RESULTS, result("x", "failed", "in/\udcff.wav: why")],
        METRICS,
        tmp_path,
        pages="mlflow ui of [mine]",
        asked=["wer", "pesq"],
    )
    text = console.export_text()
    assert len(re.findall("┏", text)) == 1
    order = [
        "3 of 5 files cleaned",
        "words lost",
        "wer: share",
        "music left",
        "not measured",
        "voice kept",
        "si_sdr",
        "level",
        "lufs",
        "failed in/bad.wav",
        "failed in/\\udcff.wav",
        tmp_path.name,
        "mlflow ui of [mine]",
    ]
    positions = [text.index(word) for word in order]
    assert positions == sorted(positions)
    assert "[red]" in text, "a reason is text, not markup"
    assert "  plots" not in text, "what is not there is not promised"
