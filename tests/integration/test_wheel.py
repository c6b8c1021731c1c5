"""`pip install .` elsewhere gives a working speechclean: config and models travel in the wheel."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.integration.conftest import SMALL, environment
from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S


@pytest.mark.slow
def test_the_wheel_runs_the_pilot_away_from_the_checkout(tmp_path: Path) -> None:
    """In a venv of its own; what it depends on is borrowed from the running environment instead of
    installed again."""
    wheels = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(wheels, check=True, timeout=LIMIT_S)
    wheel = next(tmp_path.glob("speechclean-*.whl"))
    names = zipfile.ZipFile(wheel).namelist()
    for part in (
        "speechclean/conf/config.yaml",
        "speechclean/assets/models/MODEL_CARD.md",
        "speechclean/assets/pilot/manifest.csv",
        "speechclean/cli/by_module/batches/deliver.py",
    ):
        assert part in names
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=LIMIT_S)
    python = venv / "bin" / "python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)],
        check=True,
        timeout=LIMIT_S,
    )
    # A path in a .pth file lends the packages but not the checkout, whose own .pth is not looked at
    # from there.
    borrowed = next(venv.glob("lib/python*/site-packages")) / "borrowed.pth"
    borrowed.write_text(sysconfig.get_paths()["purelib"] + "\n")
    work = tmp_path / "work"
    work.mkdir()
    bare = {key: value for key, value in environment().items() if key != "PYTHONPATH"}
    for command in ("speechclean.reproduce", "speechclean.batches.deliver"):
        told = subprocess.run(
            [str(python), "-m", command, "--help"],
            cwd=work, env=bare, capture_output=True, text=True, timeout=LIMIT_S, check=True,
        )  # fmt: skip
        assert "Exit status" in told.stdout
    line = [str(venv / "bin" / "speechclean"), *SMALL, "hydra.run.dir=out"]
    done = subprocess.run(
        line, cwd=work, env=bare, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(list((work / "out" / "cleaned").iterdir())) == 6
    weights = json.loads((work / "out" / "provenance.json").read_text())["weights"]
    assert all(str(venv) in weight["path"] for weight in weights.values())
