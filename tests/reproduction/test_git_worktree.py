"""The code of a run: its patch is approved before anything is made, and touches only code."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from speechclean.records.tracking import Record
from speechclean.reproduction import git_worktree
from speechclean.reproduction.git_worktree import CheckoutError, checkout
from tests.experiment.config.test_preset import record as recorded_with
from tests.support.paths import ROOT

ADDED = """\
diff --git a/{name} b/{name}
new file mode 100644
--- /dev/null
+++ b/{name}
@@ -0,0 +1 @@
+print("theirs")
"""


class Kept:
    """A run that keeps these files."""

    def __init__(self, folder: Path, texts: Mapping[str, str]) -> None:
        self.folder, self.names = folder, list(texts)
        for name, text in texts.items():
            (folder / name).write_text(text)

    def list_artifacts(self, _run: str, _folder: str | None) -> list[Any]:
        return [type("Artifact", (), {"path": name}) for name in self.names]

    def download_artifacts(self, _run: str, path: str, _to: str) -> str:
        return str(self.folder / path)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The commit of a clone that the package seems to run from."""
    folder = tmp_path / "clone"
    done = subprocess.run(
        ["git", "clone", "-q", "--no-checkout", str(ROOT), str(folder)],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip("these sources are no git checkout")
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "checkout", "-q", "HEAD", "--", "speechclean/__init__.py"], check=True)
    monkeypatch.setattr(git_worktree, "PACKAGE", folder / "speechclean")
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return head.stdout.strip()


def run(tmp_path: Path, **texts: str) -> Record:
    names = {"patch": "code.patch", "environment": "environment.txt"}
    files = tmp_path / "kept"
    files.mkdir()
    kept = Kept(files, {names[key]: text for key, text in texts.items()})
    made = recorded_with(tmp_path, {})
    object.__setattr__(made, "_client", kept)
    return made


def origin(commit: object, dirty: bool = True) -> dict[str, Any]:
    return {"code": {"sha256": "0" * 64, "git": {"commit": commit, "dirty": dirty, "changed": []}}}


class _RefusedError(Exception):
    pass


def refuse(_patch: Path) -> None:
    raise _RefusedError


def test_a_patch_is_approved_before_anything_is_made_and_pins_alone_come_along(
    clone: str, tmp_path: Path
) -> None:
    pins = "# Python 3.11.7\ntorch==2.11.0+cu130\nname-of.one_1==1!2.0.post1\n"
    made = run(tmp_path, patch=ADDED.format(name="speechclean/theirs.py"), environment=pins)
    there = tmp_path / "there"
    with pytest.raises(_RefusedError):
        checkout(made, origin(clone), there, refuse)
    assert not there.exists()
    seen: list[str] = []
    left = checkout(made, origin(clone), there, lambda patch: seen.append(patch.read_text()))
    assert seen == [ADDED.format(name="speechclean/theirs.py")]
    assert (there / "speechclean/theirs.py").read_text() == 'print("theirs")\n'
    assert (there / "environment.txt").read_text() == pins
    assert [one.partition(":")[0] for one in left] == ["code"]


@pytest.mark.parametrize(
    "line", ["--find-links http://theirs", "torch @ git+https://theirs/x", "-e .", "a==1 ; b", "a"]
)
def test_an_environment_that_asks_for_more_than_versions_is_left_out(
    line: str, clone: str, tmp_path: Path
) -> None:
    made, there = run(tmp_path, environment=f"a==1\n{line}\n"), tmp_path / "there"
    left = checkout(made, origin(clone, dirty=False), there, refuse)
    assert f"environment.txt: is left out, {line!r} is no pinned version" in left
    assert not (there / "environment.txt").exists()


@pytest.mark.parametrize("name", ["sitecustomize.py", "tests/x.py", ".github/x.yml", "conf/../x"])
def test_a_patch_of_anything_but_code_is_refused(name: str, clone: str, tmp_path: Path) -> None:
    made, there = run(tmp_path, patch=ADDED.format(name=name)), tmp_path / "there"
    with pytest.raises(CheckoutError, match=r"alone; somebody else wrote it|is no patch"):
        checkout(made, origin(clone), there, refuse)
    assert not there.exists()


@pytest.mark.parametrize("commit", ["--output=/tmp/x", "HEAD", "main", "0" * 39, "0" * 40])
def test_a_commit_that_is_none_is_refused(commit: str, clone: str, tmp_path: Path) -> None:
    assert clone
    with pytest.raises(CheckoutError, match=r"is no id of a commit|lacks the run's commit"):
        checkout(run(tmp_path), origin(commit), tmp_path / "there", refuse)
    assert not (tmp_path / "there").exists()
