"""Whole commands, as users type them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.waiting import LIMIT_S

Command = Callable[..., subprocess.CompletedProcess[str]]
#: The smallest run that is still a whole one: one separator, no denoiser, a metric, no pictures,
#: nothing tracked.
SMALL = (
    "separators=[embedded_hdemucs_q]",
    "enhancement=identity",
    "metrics=[lufs]",
    "output.plots=false",
    "tracking=none",
)


def environment() -> dict[str, str]:
    """One thread for each process, and none of the user's own settings."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("MLFLOW", "SPEECHCLEAN"))
    } | {
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "120",
    }


@pytest.fixture
def speechclean(tmp_path: Path) -> Command:
    """`speechclean(*arguments)` runs `python -m speechclean` in a folder of its own."""

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "speechclean", *arguments]
        return subprocess.run(
            line,
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    return command
