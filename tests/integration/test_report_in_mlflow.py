"""report.html where most people open it: in MLflow's own UI, in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from speechclean.records.tracking import MlflowTracker
from tests.integration.conftest import NEEDS_A_BROWSER
from tests.integration.test_report_page import plays_and_switches, until, written
from tests.support.servers import mlflow_server

pytestmark = [pytest.mark.slow, NEEDS_A_BROWSER]


@pytest.fixture
def ui(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a UI, and of the page of a run in it that holds a report."""
    store = f"sqlite:///{tmp_path / 'store.db'}"
    tracker = MlflowTracker(uri=store, experiment="heard", system_metrics_s=0)
    (tmp_path / "made").mkdir()
    with tracker.run("listen") as run:
        run.file(written(tmp_path / "made", 6, 6))
        run_id = run.id
    with mlflow_server(store, cwd=tmp_path) as (_, server):
        yield (
            f"{server}/#/experiments/1/runs/{run_id}/artifacts/report.html",
            str(tmp_path / "shot.png"),
        )


def test_plays_and_switches_in_mlflows_viewer(browser: Any, ui: tuple[str, str]) -> None:
    address, picture = ui
    browser.get(address)
    frames = until(lambda: browser.find_elements("css selector", "iframe"))
    browser.switch_to.frame(frames[0])
    plays_and_switches(browser)
    browser.switch_to.default_content()
    browser.save_screenshot(os.environ.get("SPEECHCLEAN_SCREENSHOT", picture))
