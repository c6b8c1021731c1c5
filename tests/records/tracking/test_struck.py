"""A run that is ended while it writes is told as failed, wherever the signal strikes."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

WRITING = """
import itertools, os, signal, threading, time
from speechclean.records.tracking.tracker import MlflowTracker

def strike():
    time.sleep(float({after}))
    os.kill(os.getpid(), signal.{name})

with MlflowTracker(experiment="struck", system_metrics_s=0).run("struck") as run:
    threading.Thread(target=strike, daemon=True).start()
    for step in itertools.count():
        run.metrics({{f"m{{step % 7}}": float(step)}}, step=step)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("after", [0.1, 0.213, 0.327, 0.441])
def test_no_signal_tears_a_write(tmp_path: Path, name: str, after: float) -> None:
    """A torn transaction kept the database locked, or swallowed the signal for good."""
    line = [sys.executable, "-c", WRITING.format(after=after, name=name)]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode in (128 + signal.SIGTERM, 1, -signal.SIGINT), done.stderr
    ended = "KILLED" if name == "SIGINT" else "FAILED"
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("select status from runs").fetchall() == [(ended,)], done.stderr
