"""Other Pythons of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def python_of(version: str) -> str | None:
    """The interpreter of a version such as 3.12: one that can be called, else one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    named = [shutil.which(f"python{version}"), shutil.which("python3")]
    for found in [*named, *sorted(map(str, pyenv.glob(f"{version}.*/bin/python{version}")))]:
        if found and _is(found, version):
            return found
    return None


def _is(path: str, version: str) -> bool:
    told = subprocess.run(
        [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() == version
