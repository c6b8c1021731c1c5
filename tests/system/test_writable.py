"""Whether a folder can be written is judged by looking, for root too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from speechclean.system.writable import why_not_writable


def test_what_can_be_written_has_no_reason(tmp_path: Path) -> None:
    assert why_not_writable(tmp_path) is None
    assert why_not_writable(tmp_path / "not" / "there" / "yet") is None
    assert list(tmp_path.iterdir()) == []


def test_files_and_system_folders_take_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert why_not_writable(tmp_path / "file" / "x") == "Not a directory"
    assert why_not_writable(tmp_path / ("x" * 300)) == "File name too long"
    assert why_not_writable(Path("/proc/nowhere/x"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_permissions_are_asked(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert why_not_writable(tmp_path / "x") == "Permission denied"


def test_a_mount_for_reading_binds_root_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = os.statvfs(tmp_path)

    class ReadOnly:
        f_flag, f_blocks = seen.f_flag | os.ST_RDONLY, seen.f_blocks

    monkeypatch.setattr(os, "statvfs", lambda _path: ReadOnly())
    assert why_not_writable(tmp_path / "x") == "Read-only file system"
