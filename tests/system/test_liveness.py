"""A lock is claimed where its holder is gone, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechclean.system.liveness import alive, claim_if_dead, is_lock_name, new_lock_name


def test_a_lock_whose_holder_is_gone_is_claimed_once_and_removed(tmp_path: Path) -> None:
    lock = tmp_path / new_lock_name()
    with alive(lock):
        pass
    with claim_if_dead(lock) as dead:
        assert dead
    assert not lock.exists()
    with claim_if_dead(lock) as dead:
        assert not dead


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_is_no_lock_is_left_as_it_is(kind: str, tmp_path: Path) -> None:
    """Locking a file truncates it, and claiming it removes it."""
    thesis, lock = tmp_path / "thesis.txt", tmp_path / new_lock_name()
    thesis.write_text("years of work")
    if kind == "file":
        lock = thesis
    elif kind == "link":
        lock.symlink_to(thesis)
    else:
        lock.mkdir()
    with claim_if_dead(lock) as dead:
        assert not dead
    assert thesis.read_text() == "years of work"
    assert lock.exists()


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "/etc/passwd", "f" * 31, "F" * 32, "f" * 32 + "\n", None, 7]
)
def test_names_of_another_form_are_no_locks(name: object) -> None:
    assert not is_lock_name(name)
