"""The exact code of a recorded run, as a git worktree of the checkout that this package is in."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speechclean.records import provenance, run_folder
from speechclean.records.tracking import Record
from speechclean.system.resources import PACKAGE


class CheckoutError(RuntimeError):
    """A run's code that cannot be had from here; the message says why and what to do."""


def checkout(record: Record, origin: Mapping[str, Any], folder: Path) -> list[str]:
    """Make `folder` a worktree of the run's commit; lines on what is still not as then.

    It gets the patch of what the run had changed on top of the commit, and the run's
    `environment.txt`. Raises `CheckoutError`.

    origin: the run's provenance.json.
    """
    git = origin["code"].get("git")
    if not git:
        raise CheckoutError(
            f"{record.name} did not run from a git checkout; its code cannot be had from here"
        )
    if folder.exists() and any(folder.iterdir()):
        raise CheckoutError(f"--checkout={folder}: is there and not empty; name another folder")
    _git(
        "cat-file",
        "-e",
        f"{git['commit']}^{{commit}}",
        why=f"this clone lacks the run's commit {git['commit']}; fetch it",
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    _git(
        "worktree",
        "add",
        "--detach",
        str(folder.absolute()),
        git["commit"],
        why="no worktree could be made",
    )
    if git.get("dirty"):
        patch = record.artifact(run_folder.PATCH)
        if patch is None:
            raise CheckoutError(
                f"{record.name} ran with changes to {git['commit'][:10]} that were not kept: "
                f"{git['changed']}"
            )
        _git(
            "-C",
            str(folder.absolute()),
            "apply",
            "--binary",
            str(patch),
            why="the run's code.patch does not apply",
        )
    environment = record.artifact(run_folder.ENVIRONMENT)
    if environment is not None:
        (folder / run_folder.ENVIRONMENT).write_bytes(environment.read_bytes())
    if provenance.code_sha256(folder / "speechclean") != origin["code"]["sha256"]:
        return ["code: the worktree's sources are not those of then (files that git ignores?)"]
    return []


def _git(*arguments: str, why: str) -> None:
    line = ["git", "-C", str(PACKAGE), *arguments]
    if arguments[0] == "-C":
        line = ["git", *arguments]
    try:
        subprocess.run(line, check=True, capture_output=True, text=True, timeout=300)
    except subprocess.CalledProcessError as error:
        raise CheckoutError(f"{why} ({(error.stderr or '').strip().splitlines()[-1:]})") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise CheckoutError(f"{why} ({error})") from error
