"""No cell is a formula to a spreadsheet, and every cell comes back as it was."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from speechclean.stages.datasets.manifest import Manifest
from speechclean.system.csv_tables import csv_rows, csv_text, defused, restored

CELLS = st.text("=+-@'\t ax1", max_size=6)


@given(CELLS)
def test_a_cell_comes_back(cell: str) -> None:
    assert restored(defused(cell)) == cell
    assert not defused(cell).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_table_holds_no_formula_and_its_numbers_are_numbers(tmp_path: Path) -> None:
    rows = [{"path": "=cmd|'/c calc'!A1.wav", "gain": -1.5, "text": None}]
    text = csv_text(("path", "gain", "text"), rows)
    (cells,) = list(csv.reader(io.StringIO(text)))[1:]
    assert cells == ["'=cmd|'/c calc'!A1.wav", "-1.5", ""]
    (tmp_path / "a.csv").write_text(text)
    assert csv_rows(tmp_path / "a.csv")[0]["path"] == rows[0]["path"]


def test_a_manifest_takes_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "=x.wav").write_bytes(b"")
    rows = [{"path": "=x.wav", "transcript": "- so"}]
    (tmp_path / "set.csv").write_text(csv_text(("path", "transcript"), rows))
    (track,) = Manifest(str(tmp_path / "set.csv")).tracks()
    assert track.path.name == "=x.wav"
    assert track.transcript == "- so"
