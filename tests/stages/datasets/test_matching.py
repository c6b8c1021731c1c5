"""A pattern matches what `glob` matches, and a folder that links lead to is listed once."""

from __future__ import annotations

import glob
import logging
import os
from pathlib import Path

import pytest

from speechclean.stages.datasets.folder import Folder
from speechclean.stages.datasets.manifest import Manifest
from speechclean.stages.datasets.matching import matches_of
from speechclean.system import long_loops

FILES = (
    *("x.wav", ".hidden.wav", "a/x.wav", "a/y.wav", "a/b/x.wav", "a/b/c/x.wav", "a/.h/x.wav"),
    *(".h/x.wav", "b/x.wav", "[1]/x.wav", "q?/x.wav", "large/lx.wav", "large/l/l.wav"),
)
PATTERNS = (
    *(
        "*.wav",
        "*",
        "**/*.wav",
        "a/**/x.wav",
        "*/x.wav",
        "*/*/x.wav",
        "**/b/*.wav",
        "**/b/**/*.wav",
    ),
    *(".*", ".*/*.wav", "**/.h/*.wav", "a/../*/x.wav", "[[]1]/*.wav", "q[?]/*"),
    *("[ab]/x.wav", "**/l*/**/*.wav", "**/l*/**", "a/b/c/x.wav", "nowhere/*.wav", "a/nothing.wav"),
    *("X.wav", "*/b/c/*", "**/**/x.wav"),
)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_without_links_it_is_what_glob_matches(tree: Path, pattern: str, absolute: bool) -> None:
    pattern = f"{glob.escape(str(tree))}/{pattern}" if absolute else pattern
    found = matches_of(pattern)
    expected = {Path(path) for path in glob.glob(pattern, recursive=True)}  # noqa: PTH207
    assert set(found.paths) == expected - {found.base}
    assert len(found.paths) == len(set(found.paths))
    assert not found.passed


@pytest.mark.parametrize(
    ("pattern", "once"),
    [
        ("*/x.wav", ["a/x.wav"]),
        ("*/*/x.wav", ["a/b/x.wav"]),
        ("**/*.wav", ["a/b/x.wav", "a/x.wav"]),
        ("to_a/*.wav", ["to_a/x.wav"]),  # what is asked for by a link is found by it
        ("**/to_a/*.wav", ["to_a/x.wav"]),
        ("*/../a/*.wav", ["a/../a/x.wav"]),
        ("t*/*.wav", ["to_a/x.wav"]),  # two links: the shorter one
    ],
)
def test_a_file_is_matched_once_by_whatever_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, once: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a/x.wav", "a/b/x.wav"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    for link, target in {"to_a": "a", "to_a_too": "a", "a/b/up": "a", "itself": "itself"}.items():
        Path(link).symlink_to(tmp_path / target)
    assert [str(track.path) for track in Folder(pattern).tracks()] == once


def test_it_is_said_that_links_are_passed_by(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.wav").touch()
    (tmp_path / "z").symlink_to(tmp_path / "a")
    assert len(Folder(str(tmp_path / "*" / "*.wav")).tracks()) == 1
    assert f"passed by: 1, the first is {tmp_path / 'z'}" in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_may_not_be_listed_is_passed_through(tree: Path) -> None:
    (tree / "a").chmod(0o100)
    try:
        assert [str(path) for path in matches_of("a/b/*.wav").paths] == ["a/b/x.wav"]
        assert "a/x.wav" not in {str(path) for path in matches_of("**/*.wav").paths}
    finally:
        (tree / "a").chmod(0o700)


def test_how_far_it_is_with_long_lists_is_said(
    tree: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tree / "set.csv").write_text("path\n" + "a/x.wav\n" * 20)
    with caplog.at_level(logging.INFO):
        Manifest("set.csv").tracks()
        Folder("a").tracks()
        assert not caplog.messages, "it was over in a moment"
        monkeypatch.setattr(long_loops, "EVERY_S", 0.0)
        Manifest("set.csv").tracks()
        Folder("a").tracks()
    assert "set.csv: 7 of 20 rows so far" in caplog.messages
    assert "a/**/*: 3 paths that match so far" in caplog.messages
    assert "a: 2 of 4 files so far" in caplog.messages
