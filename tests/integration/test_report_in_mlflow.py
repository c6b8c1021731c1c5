"""report.html where most people open it: in MLflow's own UI, in a real browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from speechclean.tracking import MlflowTracker
from tests.integration.test_report_page import CHROMIUM, DRIVER, browser, gains, until, written  # noqa: F401
from tests.test_tracking_loss import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no browser: apt-get install chromium chromium-driver, and this runs"),
]


@pytest.fixture
def ui(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a UI, and of the page of a run in it that holds a report."""
    store = f"sqlite:///{tmp_path / 'store.db'}"
    tracker = MlflowTracker(uri=store, experiment="heard", system_metrics_s=0)
    (tmp_path / "made").mkdir()
    with tracker.run("listen") as run:
        run.file(written(tmp_path / "made", 6, 6))
        run_id = run.id
    port = free_port()
    line = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store, "--port", str(port), "--workers", "1"]
    settings = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen(line, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    try:
        with closing(socket.socket()) as probe:
            until(lambda: probe.connect_ex(("127.0.0.1", port)) == 0, 120)
        yield f"http://127.0.0.1:{port}/#/experiments/1/runs/{run_id}/artifacts/report.html", str(tmp_path / "shot.png")
    finally:
        server.terminate()
        server.wait(30)


def test_plays_and_switches_in_mlflows_viewer(browser: Any, ui: tuple[str, str]) -> None:  # noqa: F811
    address, picture = ui
    browser.get(address)
    frames = until(lambda: browser.find_elements("css selector", "iframe"), 60)
    browser.switch_to.frame(frames[0])
    until(lambda: browser.execute_script("return document.documentElement.dataset.ready === 'yes'"))
    browser.execute_script("play()")
    until(lambda: browser.execute_script("return player.playing"))
    browser.execute_script("select('cleaned')")
    until(lambda: gains(browser)["mixture"] < 1e-3 < gains(browser)["cleaned"])
    browser.switch_to.default_content()
    browser.save_screenshot(os.environ.get("SPEECHCLEAN_SCREENSHOT", picture))
