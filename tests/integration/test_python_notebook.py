"""The notebook of the Python API runs from top to bottom, as a reader finds it."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.paths import ROOT

NOTEBOOK = ROOT / "docs" / "python.ipynb"


def test_it_is_kept_without_outputs() -> None:
    assert NOTEBOOK.stat().st_size < 100_000
    cells = [cell for cell in nbformat.read(NOTEBOOK, 4).cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)


@pytest.mark.slow
def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = nbformat.read(NOTEBOOK, 4)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    shown = [kind for output in outputs for kind in output.get("data", {})]
    heard = [
        output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})
    ]
    assert sum("<audio" in one for one in heard) == 3
    assert shown.count("image/png") == 2
    # The parts add up to the mixture, and the file that is no sound costs no other one.
    assert float(printed.partition("largest error of the sum: ")[2].split()[0]) < 1e-6
    assert printed.count(".wav\n") == 2
    assert "notes.wav -> " in printed
    assert not list(tmp_path.iterdir())
