"""`speechclean tune`: a sample of one's files, and the study that it begins."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from speechclean.audio.sound_files import save
from speechclean.cli import tune
from speechclean.experiment.config.command_line import problems_of
from speechclean.stages.screening import MusicFound
from tests.conftest import noise


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five files in `in/`, and two tables of them, one with transcripts; nobody listens."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(MusicFound, "music_db", lambda *_: -10.0)
    for n in range(5):
        save(noise(0.6, seed=n), tmp_path / "in" / f"{n}.wav")
    lines = ["path,transcript", *(f"in/{n}.wav,Good morning {n}" for n in range(5))]
    Path("told.csv").write_text("\n".join(lines))
    Path("half.csv").write_text("\n".join([*lines[:3], "in/3.wav,", "in/4.wav,"]))
    return tmp_path


def overrides(*words: str) -> dict[str, str]:
    line = tune.as_overrides(words)
    assert line[0] == "-m"
    return dict(word.split("=", 1) for word in line[1:])


@pytest.mark.usefixtures("inputs")
def test_transcripts_decide_what_is_bounded() -> None:
    found = overrides("told.csv", "--files", "3", "--name", "mine", "--max-cost", "0.5")
    assert found["sweep"] == "tune"
    assert "words_lost <= current" in found["sweep.constraints"]
    assert "cost_per_audio_second <= 0.5" in found["sweep.constraints"]
    assert found["experiment"] == "balanced"
    with Path("multirun/mine/sample.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert all(row["transcript"].startswith("Good morning") for row in rows)
    # The same command goes on with the same files, whatever has come into the table.
    before = Path("multirun/mine/sample.csv").read_bytes()
    Path("told.csv").write_text("path\nin/4.wav\n")
    overrides("told.csv", "--files", "3", "--name", "mine")
    assert Path("multirun/mine/sample.csv").read_bytes() == before

    found = overrides("in", "-o", "blind", "shifts=2")
    assert found["sweep"] == "tune_untranscribed"
    assert "wer_vs_mixture <= current" in found["sweep.constraints"]
    assert "words_lost" not in found["sweep.constraints"]
    assert found["shifts"] == "2"


@pytest.mark.usefixtures("inputs")
def test_files_with_transcripts_are_taken_where_there_are_enough() -> None:
    assert overrides("half.csv", "--files", "2", "--name", "a")["sweep"] == "tune"
    assert overrides("half.csv", "--files", "3", "--name", "b")["sweep"] == "tune_untranscribed"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "nowhere"),
        (["told.csv", "in"], "a table goes with no other input"),
        (["in", "--name", "balanced"], "ships with speechclean"),
        (["in", "--files", "0"], "must be above 0"),
        (["in", "--max-cost", "cheap"], "--max-cost cheap: is no number"),
        (["in", "--budget", "soon"], "--budget soon: must be a time such as 90s"),
        (["in", "in/9.wav"], "in/9.wav: there is no such file"),
        (["in", "--bugdet", "3m"], "did you mean --budget"),
        (["in", "--preset", "balancd"], "did you mean balanced"),
        (["in", "separators=[embedded_htdemcs]"], "did you mean embedded_htdemucs"),
        (["in", "shfts=2"], "did you mean shifts"),
        (["in", "wiener.beta=choice(0,1)"], "did you mean postprocess.beta_wiener.beta"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(
    inputs: Path,
    words: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.argv", ["speechclean", *words])
    with pytest.raises(SystemExit) as end:
        tune.main()
    assert end.value.code == 2
    assert told in capsys.readouterr().err
    assert sorted(path.name for path in inputs.iterdir()) == ["half.csv", "in", "told.csv"]


@pytest.mark.parametrize("search", ["tune", "tune_untranscribed"])
def test_every_knob_of_the_search_is_one(search: str, tmp_path: Path) -> None:
    assert problems_of(["-m", f"sweep={search}", f"hydra.sweep.dir={tmp_path}"]) == []
