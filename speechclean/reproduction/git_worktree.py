"""The exact code of a recorded run, as a git worktree of the checkout that this package is in."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from speechclean.records import provenance, run_folder
from speechclean.records.checkout import CODE
from speechclean.records.tracking import Record
from speechclean.system.plain_text import one_line
from speechclean.system.resources import PACKAGE

#: A line of environment.txt: a pin of a version, or a comment. `pip` takes much else there: other
#: indexes, and addresses of whatever code.
_PIN = re.compile(r"#.*|[A-Za-z0-9][\w.-]*==[\w.+!-]+|\s*")


class CheckoutError(RuntimeError):
    """A run's code that cannot be had from here; the message says why and what to do."""


def checkout(
    record: Record, origin: Mapping[str, Any], folder: Path, approve: Callable[[Path], None]
) -> list[str]:
    """Make `folder` a worktree of the run's commit; lines on what is still not as then.

    It gets the patch of what the run had changed on top of the commit, and the run's
    `environment.txt`. Raises `CheckoutError`.

    origin: the run's provenance.json
    approve: called with the patch, which is code of whoever could write to the store, before
        anything is made; it raises where the patch is not wanted
    """
    git = origin["code"].get("git")
    if not git:
        raise CheckoutError(
            f"{record.name} did not run from a git checkout; its code cannot be had from here"
        )
    commit = _commit(record, git)
    if folder.exists() and any(folder.iterdir()):
        raise CheckoutError(f"--checkout={folder}: is there and not empty; name another folder")
    why = f"this clone lacks the run's commit {commit}; fetch it"
    _git("cat-file", "-e", f"{commit}^{{commit}}", why=why)
    patch = _patch(record, git) if git.get("dirty") else None
    if patch is not None:
        approve(patch)
    folder, at = folder.absolute(), "no worktree could be made"
    folder.parent.mkdir(parents=True, exist_ok=True)
    _git("worktree", "add", "--detach", str(folder), commit, why=at)
    if patch is not None:
        why = "the run's code.patch does not apply"
        _git("-C", str(folder), "apply", "--binary", str(patch), why=why)
    differences = _add_environment(record, folder)
    if provenance.code_sha256(folder / "speechclean") != origin["code"]["sha256"]:
        differences.append(
            "code: the worktree's sources are not those of then (files that git ignores?)"
        )
    return differences


def _commit(record: Record, git: Mapping[str, Any]) -> str:
    """The run's commit: of another form it may be an option of git's."""
    commit = str(git["commit"])
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
        raise CheckoutError(f"{record.name}: {one_line(commit, 60)!r} is no id of a commit")
    return commit


def _patch(record: Record, git: Mapping[str, Any]) -> Path:
    """The patch of a run that had changes, which touches nothing but what a run's patch does."""
    patch = record.artifact(run_folder.PATCH)
    if patch is None:
        changed = one_line(git.get("changed"))
        raise CheckoutError(
            f"{record.name} ran with changes to {git['commit'][:10]} that were not kept: {changed}"
        )
    # In a folder below, git leaves out what a patch changes elsewhere.
    top = _git("rev-parse", "--show-toplevel", why="no git checkout").removesuffix("\n")
    why = f"{run_folder.PATCH} is no patch"
    listed = _git("-C", top, "apply", "--numstat", "-z", str(patch), why=why)
    names = [line.split("\t", 2)[-1] for line in listed.split("\0") if line]
    foreign = [name for name in names if name.split("/")[0] not in CODE or ".." in name.split("/")]
    if foreign:
        raise CheckoutError(
            f"{record.name}: its {run_folder.PATCH} changes {one_line(foreign[0])}, and the patch "
            f"of a run changes {', '.join(CODE)} alone; somebody else wrote it"
        )
    return patch


def _add_environment(record: Record, folder: Path) -> list[str]:
    """Put the run's environment.txt beside its code, if pip would take nothing but versions."""
    environment = record.artifact(run_folder.ENVIRONMENT)
    if environment is None:
        return []
    text = environment.read_text(encoding="utf-8", errors="replace")
    unlike = [line for line in text.splitlines() if not _PIN.fullmatch(line)]
    if unlike:
        name = run_folder.ENVIRONMENT
        return [f"{name}: is left out, {one_line(unlike[0], 80)!r} is no pinned version"]
    (folder / run_folder.ENVIRONMENT).write_text(text, encoding="utf-8")
    return []


def _git(*arguments: str, why: str) -> str:
    """What git answers, in the package's folder or where `-C` says. Raises `CheckoutError`."""
    line = ["git", "-C", str(PACKAGE), *arguments]
    if arguments[0] == "-C":
        line = ["git", *arguments]
    try:
        done = subprocess.run(line, check=True, capture_output=True, text=True, timeout=300)
    except subprocess.CalledProcessError as error:
        said = one_line((error.stderr or "").strip().splitlines()[-1:])
        raise CheckoutError(f"{why} ({said})") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise CheckoutError(f"{why} ({error})") from error
    return done.stdout
