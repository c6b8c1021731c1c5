"""What a sweep says of its study, and that it draws the same plots once only."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from speechclean.sweep import summary
from speechclean.sweep.summary import Summary
from tests.sweep.test_study import study, work


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many trials each drawing was of; a drawing is a page and a picture."""
    counts: list[int] = []

    def draw(
        copy: Any, _names: list[str], folder: Path
    ) -> tuple[list[tuple[str, str, str]], list[Path]]:
        counts.append(len(copy.trials))
        (folder / "history.png").write_text(f"{len(copy.trials)} trials")
        return [("history", "History", "<i>drawn</i>")], [folder / "history.png"]

    monkeypatch.setattr(summary, "write_figures", draw)
    return counts


def test_plots_are_drawn_anew_when_trials_came_and_only_then(
    drawn: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    run: Any = SimpleNamespace(
        file=lambda path: logged.append(path.name), tags=lambda _: None, metrics=lambda _: None
    )
    records: Any = SimpleNamespace(finished=dict)
    storage = f"sqlite:///{tmp_path / 's.db'}"

    def write(trials: int) -> list[str]:
        logged.clear()
        one = study(storage, n_trials=trials)
        work(one)
        Summary(one, tmp_path, run, records, trials).write(Console(file=io.StringIO()))
        return sorted(logged)

    everything = ["history.png", "study.html", "summary.md", "trials.csv"]
    assert write(3) == everything
    assert write(3) == everything, "what was drawn before goes with the record all the same"
    assert drawn == [3]
    assert write(5) == everything
    assert drawn == [3, 5]
    (tmp_path / "study.html").unlink()
    write(5)
    assert drawn == [3, 5, 5]

    def fails(*_: Any) -> list[Path]:
        raise RuntimeError("no fonts")

    with monkeypatch.context() as broken:
        broken.setattr(summary, "write_figures", fails)
        assert write(6) == ["summary.md", "trials.csv"]
    write(6)
    assert drawn == [3, 5, 5, 6], "plots of five trials do not stand beside a table of six"
