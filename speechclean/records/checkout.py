"""The git checkout that this package runs from: its commit, and what differs from it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from speechclean.system.resources import PACKAGE

#: Of a checkout, what a run is made of.
CODE = ("speechclean", "conf", "pyproject.toml", "constraints.txt", "constraints")
#: In bytes: a patch above this is not kept with a run.
LARGEST_PATCH = 50 * 2**20


def git_state() -> dict[str, Any] | None:
    """Commit of the checkout that this package runs from, and what differs in package and config.

    None when it runs from anywhere else, an environment inside somebody else's checkout included.
    """
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit, top = _git("rev-parse", "HEAD"), _git("rev-parse", "--show-toplevel")
    if not commit or not top:
        return None
    code = _code_paths(top)
    changed = (_git("status", "--porcelain", "--", *code) or "").splitlines()
    return {
        "commit": commit,
        "branch": _git("rev-parse", "--abbrev-ref", "HEAD"),
        "dirty": bool(changed),
        "changed": changed,
        "diff_stat": _git("diff", "--stat", "HEAD", "--", *code),
    }


def patch() -> bytes | None:
    """What `git apply` needs to make the checkout's code from its commit.

    New files and weights are included. None if nothing differs, or if this is no checkout. Raises
    `ValueError` above `LARGEST_PATCH`. It is made in an index and an object store of its own: the
    user's are left alone.
    """
    state = git_state()
    top, objects = _git("rev-parse", "--show-toplevel"), _git("rev-parse", "--git-path", "objects")
    if state is None or not state["dirty"] or not top or not objects:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "objects").mkdir()
        environment = {
            "GIT_INDEX_FILE": f"{scratch}/index",
            "GIT_OBJECT_DIRECTORY": f"{scratch}/objects",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(PACKAGE / objects),
        }
        code = _code_paths(top)
        for arguments in (["read-tree", "HEAD"], ["add", "--all", "--", *code]):
            if _git(*arguments, **environment) is None:
                raise ValueError(f"git {arguments[0]} failed")
        made = _git_bytes("diff", "--cached", "--binary", "HEAD", "--", *code, **environment)
    if made is None:
        raise ValueError("git diff failed")
    if len(made) > LARGEST_PATCH:
        raise ValueError(
            f"it has {len(made) / 2**20:.0f} MiB, more than {LARGEST_PATCH / 2**20:.0f}; "
            "commit large files"
        )
    return made


def _code_paths(top: str) -> list[str]:
    return [f":/{name}" for name in CODE if (Path(top) / name).exists()]


def _git(*arguments: str, **environment: str) -> str | None:
    """The answer of git in the package's folder; None when it fails, hangs or is missing."""
    answer = _git_bytes(*arguments, **environment)
    return None if answer is None else answer.decode(errors="replace").rstrip()


def _git_bytes(*arguments: str, **environment: str) -> bytes | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **environment}
    try:
        answer = subprocess.run(
            ["git", *arguments],
            cwd=PACKAGE,
            env=environment,
            capture_output=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout
