"""A process that uses the package as a library finds every setting of its own as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.host import FLAGS, PLANTED
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("host")
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("MLFLOW", "RAY", "OMP", "OPENBLAS", "SPEECHCLEAN"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.host", str(folder)],
        capture_output=True, text=True, cwd=ROOT, timeout=500,
        env=environment | {"OPENBLAS_NUM_THREADS": "2"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_nothing_is_changed_by_importing_building_and_cleaning(told: dict[str, Any]) -> None:
    assert told["after"] == {}


def test_a_change_of_each_kind_would_be_noticed(told: dict[str, Any]) -> None:
    assert set(PLANTED) == set(FLAGS)
    unnoticed = {kind for kind, noticed in told["planted"].items() if kind not in noticed}
    # On one core BLAS has one thread already, and a limit of one changes nothing.
    assert unnoticed <= ({"blas"} if len(os.sched_getaffinity(0)) == 1 else set())
