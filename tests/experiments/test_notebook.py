"""The notebook runs from top to bottom, on the pilot and on any other file."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from experiments.pilot_analysis import make
from speechclean.audio.sound_files import save
from tests.conftest import noise

NOTEBOOK = Path(make.__file__).with_name("pilot_analysis.ipynb")


def test_is_what_its_script_writes() -> None:
    assert [cell.source for cell in nbformat.read(NOTEBOOK, 4).cells] == [
        cell.source for cell in make.notebook().cells
    ]


@pytest.mark.slow
@pytest.mark.parametrize("other", [False, True], ids=["pilot", "any file"])
def test_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: bool) -> None:
    book = nbformat.read(NOTEBOOK, 4)
    if other:
        path = save(noise(1.5, 16000, channels=2), tmp_path / "other.wav")
        setup = book.cells[1]
        assert "PATH = PILOT[0].path" in setup.source
        setup.source = setup.source.replace("PATH = PILOT[0].path", f"PATH = Path({str(path)!r})")
    setup = book.cells[1]
    # Fewer metrics and one model: the cells are tested here, not what they call.
    small = '["metrics=[si_sdr,lufs]", "enhancement=identity", "separators=[embedded_hdemucs_q]"]'
    setup.source = setup.source.replace("OVERRIDES = []", f"OVERRIDES = {small}")
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[2]))
    NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert kinds.count("image/png") >= 3
    assert (
        sum("audio" in str(output.get("data", {}).get("text/html", "")) for output in outputs) == 3
    )
    assert any("Verdict" in output.get("data", {}).get("text/markdown", "") for output in outputs)
