"""`speechclean ui`: what it refuses, and what its page shows for what happens."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from speechclean.audio.sound_files import save
from speechclean.cli import ui
from speechclean.cli.ui_page import Page, table, texts_of
from speechclean.experiment.try_out import Heard, Limits, TryOut, Words
from tests.conftest import noise

SMALL = ["separators=[embedded_hdemucs_q]", "enhancement=identity"]


def refused(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        ui.main(words)
    return int(str(end.value.code))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--port", "0"), "--port 0: must be above 0"),
        (("--port", "70000"), "65535 is the highest"),
        (("--max-mb", "many"), "--max-mb many: is no number"),
        (("--max-minutes", "-1"), "--max-minutes"),
        (("in.wav",), "in.wav: is neither an option nor key=value"),
        (("--hots", "0.0.0.0"), "did you mean --host"),
        (("--host", "256.1.1.1"), "cannot be listened on"),
    ],
)
def test_what_makes_no_sense(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(*words) == 2
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert refused("--port", str(taken.getsockname()[1])) == 2
    assert "choose another --port" in capsys.readouterr().err


def test_without_gradio(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("speechclean.system.extras._is_there", lambda _: False)
    assert refused() == 2
    assert capsys.readouterr().err == (
        "speechclean ui: gradio is not installed; pip install 'speechclean[ui]'\n"
    )


def test_texts_for_more_lines_than_files() -> None:
    with pytest.raises(ValueError, match="3 lines of text for 2 files"):
        texts_of("a\nb\nc", 2)


def test_names_reasons_and_words_are_text() -> None:
    paths = [Path("<b>.wav"), Path("two.wav"), Path("three.wav"), Path("four.wav")]
    shown = [
        Heard("<b>.wav", "<b>.wav: <script>"),
        Heard("two.wav", "", Path("two.wav"), Path("p"), 2.0, Words(["<i>", "b", "c"], [], [0, 1])),
    ]
    made = table(paths, shown, "cleaning …")
    assert "<b>" not in made
    assert "<script>" not in made
    assert made.count("&lt;b&gt;.wav") == 1
    assert "mixture: 0 of 3 words lost" in made
    assert "cleaned: 2 of 3 words lost" in made
    assert "<del>&lt;i&gt; b</del> c" in made
    assert made.index("three.wav") < made.index("cleaning …") < made.index("four.wav")
    assert made.count("waiting") == 1


@pytest.fixture
def page(tmp_path: Path) -> Page:
    pytest.importorskip("gradio")
    return Page(TryOut(Limits(1, 1), "cpu", SMALL), tmp_path)


def test_a_bad_file_costs_itself_alone(page: Page, tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.wav", save(noise(0.5), tmp_path / "good.wav")
    bad.write_text("no sound")
    seen = list(page.clean([str(bad), str(good), str(good)], "balanced", ""))
    assert "loading balanced" in seen[0][0]
    rows, choice, _, downloads, shown = seen[-1]
    assert "not a sound file" in rows
    assert rows.count("cleaned, 0.5 s") == 2
    assert [number for _, number in choice["choices"]] == [1, 2]
    assert [Path(path).name for path in downloads["value"]] == ["good.wav", "good.wav"]
    assert len(set(downloads["value"])) == 2
    players = [step[2] for step in seen if isinstance(step[2], str) and "<iframe" in step[2]]
    assert len(players) == 1, "whoever listens to the first is not interrupted by the second"
    assert 'sandbox="allow-scripts' in players[0]
    assert page.listen(2, shown) != ""
    assert page.listen(0, shown) == page.listen(7, shown) == ""


@pytest.mark.parametrize(
    ("files", "preset", "text", "said"),
    [
        ([], "balanced", "", "Drop a file first"),
        (["a.wav"], "fats", "", "fats"),
        (["a.wav", "b.wav"], "balanced", "a\nb\nc", "3 lines of text for 2 files"),
    ],
)
def test_what_is_wrong_with_the_whole_is_said_once(
    page: Page, files: list[str], preset: str, text: str, said: str
) -> None:
    last: tuple[Any, ...] = list(page.clean(files, preset, text))[-1]
    assert said in last[0]
    assert 'role="alert"' in last[0]
