"""Paths of users who are not there, and files on shares that refuse chmod."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from speechclean.system.atomic_files import written_whole
from speechclean.system.paths import expanded, home


def test_a_user_who_is_not_there_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/of/me")
    assert expanded("~/a.wav") == Path("/of/me/a.wav")
    assert expanded("~no-such-user/a.wav") == Path("~no-such-user/a.wav")


def test_there_is_a_home_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: int) -> None:
        raise KeyError("no such user")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert home().parent == Path(tempfile.gettempdir())


def test_a_share_that_refuses_chmod_takes_files_as_the_umask_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "chmod", refused)
    before = os.umask(0o027)
    try:
        with written_whole(tmp_path / "a.txt") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_signal_right_after_a_file_is_made_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.touch

    def ended(path: Path, **options: bool) -> None:
        make(path, **options)
        raise SystemExit(143)  # as `signals_as_exit` does, at the first line that it can

    monkeypatch.setattr(Path, "touch", ended)
    with pytest.raises(SystemExit), written_whole(tmp_path / "a.txt") as temporary:
        temporary.write_text("x")
    assert not [*tmp_path.iterdir()]
