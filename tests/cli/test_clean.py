"""`speechclean clean`: files, folders and pipes, as a new user would try them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from speechclean.audio.sound_files import probe, save
from speechclean.cli import clean, commands
from tests.conftest import noise
from tests.integration.conftest import environment
from tests.support.films import film, tones
from tests.support.paths import ROOT

SMALL = ("separators=[embedded_hdemucs_q]", "enhancement=identity")


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`in/a.wav`, `in/sub/a.flac` and `in/bad.wav`, in the working directory."""
    monkeypatch.chdir(tmp_path)
    save(noise(0.5), tmp_path / "in" / "a.wav")
    save(noise(0.4, seed=1), tmp_path / "in" / "sub" / "a.flac")
    (tmp_path / "in" / "bad.wav").write_text("no sound")
    return tmp_path


def status(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        clean.main([*words, *SMALL])
    return int(str(end.value.code))


def test_a_file(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("in/a.wav", "-o", "out.wav") == 0
    assert probe(inputs / "out.wav").samples == 12000
    told = capsys.readouterr()
    assert not told.out
    assert "balanced on" in told.err
    assert re.search(r"cpu \(.*GPU.*\): |cuda.*: ", told.err)
    assert "embedded_hdemucs_q; 1 file, 0.5 seconds of sound" in told.err


def test_a_folder_and_again(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("in", "-o", "out", "--keep-tree") == 1, "one is no sound"
    out = inputs / "out"
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.wav")) == [
        "a.wav",
        "sub/a.wav",
    ]
    assert "in/bad.wav: not a sound file" in capsys.readouterr().err
    before = (out / "a.wav").stat().st_mtime_ns
    (inputs / "in" / "bad.wav").unlink()
    assert status("in", "-o", "out", "--keep-tree", "--resume") == 0
    assert (out / "a.wav").stat().st_mtime_ns == before
    assert "2 of 2 files are there already" in capsys.readouterr().err
    os.utime(inputs / "in" / "a.wav")  # changed since then
    assert status("in", "-o", "out", "--keep-tree", "--resume") == 0
    assert (out / "a.wav").stat().st_mtime_ns > before


def test_a_film_and_a_sound_of_a_telephone(
    inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, codec, picture in [("film.mp4", "aac", "mpeg4"), ("memo.m4a", "alac", "")]:
        film(inputs / "in" / name, codec, tones(0.5, 24000, 2), 24000, picture=picture)
    (inputs / "in" / "cut.m4a").write_bytes((inputs / "in" / "memo.m4a").read_bytes()[:9000])
    assert status("in", "-o", "out", "--keep-tree") == 1
    for name in ("film", "memo"):
        info = probe(inputs / "out" / f"{name}.wav")
        assert (info.sample_rate, info.channels, info.samples) == (24000, 2, 12000)
        assert info.subtype == "PCM_16"
    assert "in/cut.m4a: truncated, its index" in capsys.readouterr().err


def test_a_pattern_in_quotes_and_files_that_are_not_there(
    inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (inputs / "in" / "bad.wav").unlink()
    save(noise(0.5, seed=2), inputs / "in" / "[take 1].wav")
    words = ("in/*.wav", "in/[take 1].wav", "in/sub", "in/9.wav", "-o", "out", "--keep-tree")
    assert status(*words) == 1
    assert "in/9.wav: no such file" in capsys.readouterr().err
    names = [path.relative_to(inputs / "out").as_posix() for path in (inputs / "out").rglob("*.*")]
    taken, plain = [sorted(n for n in names if n[0] == first) for first in "ta"]
    assert len(taken) == len(plain) == 2, "two of each name, told apart"
    assert len(names) == 4


def test_a_folder_of_flacs(inputs: Path) -> None:
    save(noise(0.5), inputs / "in" / "a.wav", "FLOAT")
    assert status("in/a.wav", "in/sub", "-o", "out", "--format", "flac", "--keep-tree") == 0
    made = sorted((inputs / "out").iterdir())
    assert [path.suffix for path in made] == [".flac"] * 2
    assert {probe(path).samples for path in made} == {12000, 9600}


def test_files_of_one_name_keep_apart(inputs: Path) -> None:
    assert status("in/a.wav", "in/sub/a.flac", "-o", "out") == 0
    assert len(list((inputs / "out").iterdir())) == 2


def test_a_pipe(inputs: Path) -> None:
    """As a process: the sound alone is on standard output."""
    assert status("in/a.wav", "-o", "out.wav") == 0
    line = [sys.executable, "-m", "speechclean", "clean", "-", "-o", "-", *SMALL]
    done = subprocess.run(
        line,
        input=(inputs / "in/a.wav").read_bytes(),
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (inputs / "out.wav").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("in/a.wav",), "-o/--output"),
        (("in/a.wav", "-o", "in/a.wav"), "is an input"),
        (("in", "-o", "in", "--keep-tree"), "is an input"),
        (("-", "in/a.wav", "-o", "out"), "goes with no other input"),
        (("in/a.wav", "-o", "out.wav", "--preset", "fats"), "did you mean fast"),
        (("in/a.wav", "-o", "out.wav", "shfts=3"), "did you mean shifts"),
        (("empty", "-o", "out"), "matches no sound file"),
        (("in/*.mp3", "-o", "out"), "matches no sound file"),
        (("in/a.wav", "-o", "out", "--presett", "fast"), "did you mean --preset"),
        (("in/a.wav", "-o", "out.mp3"), "out.mp3: write .wav or .flac"),
        (("in/a.wav", "in/sub/a.flac", "-o", "out.wav"), "out.wav: several files want a folder"),
        (("-", "-o", "out"), "written as .wav or .flac"),
        (("in", "-o", "out", "--format", "mp3"), "--format mp3: must be wav or flac"),
        (("in", "-o", "out.flac"), "out.flac: several files want a folder"),
        (("in/a.wav", "-o", "out.wav", "shifts=1,2"), "wants -m: speechclean -m shifts=1,2"),
        (("in/a.wav", "-o", "out", "guard=fallback"), "take guard=none here"),
        (("in/a.wav", "-o", "out", "output.dir=x", "shfts=3"), "2 problems"),
    ],
)
def test_what_makes_no_sense_is_told_and_nothing_written(
    inputs: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (inputs / "empty").mkdir()
    before = sorted(inputs.rglob("*"))
    assert status(*words) == 2
    assert said in capsys.readouterr().err
    assert sorted(inputs.rglob("*")) == before


def test_sub_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["speechclean", "--version"])
    commands.main()
    assert capsys.readouterr().out.startswith("speechclean ")
    asked = [(name, [name, "--help"]) for name in sorted(set(commands.COMMANDS) - {"run"})]
    for name, words in [*asked, ("clean", ["help", "clean"])]:
        monkeypatch.setattr(sys, "argv", ["speechclean", *words])
        with pytest.raises(SystemExit):
            commands.main()
        assert "Exit status" in capsys.readouterr().out, name


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("speechclean cl", {"clean"}),
        ("speechclean fusion=ma", {"fusion=max_mask"}),
        ("speechclean clean my/in.wav -o x fusion=ma", {"fusion=max_mask"}),
        ("speechclean compare ru", set()),
    ],
)
def test_a_shell_that_completes(
    line: str,
    found: set[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["speechclean", "-sc", "query=bash"])
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    with suppress(SystemExit):
        commands.main()
    told = capsys.readouterr()
    assert set(told.out.split()) == found
    assert told.err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("wights", "list"), "did you mean weights"),
        (("overlap=0.2,0.4",), "speechclean -m overlap=0.2,0.4"),
        (("in/a.wav",), "speechclean clean in/a.wav -o"),
        (("--experiment", "fast"), "experiment=fast"),
        (("--overlap=0.5",), "overlap=0.5"),
        (("overlap", "0.5"), "did you mean overlap=0.5?"),
        (("--preset", "fast"), "experiment=fast"),
        (("-m", "sweep=optuna", "--cfg", "job"), "leave out -m"),
        (("tracking=none", "overlap"), "overlap: is neither an option nor key=value"),
        (("fusion=max",), "did you mean max_mask"),
    ],
)
def test_what_a_new_user_mistypes(
    inputs: Path,
    words: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(inputs.rglob("*"))
    monkeypatch.setattr(sys, "argv", ["speechclean", *words])
    with pytest.raises(SystemExit) as end:
        commands.main()
    assert end.value.code == 2
    assert said in capsys.readouterr().err
    assert sorted(inputs.rglob("*")) == before
