"""MLflow's own UI in a real browser: report.html where most people open it, and the saved view."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from speechclean.records.tracking import MlflowTracker, views
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


def test_the_saved_view_has_the_five_rows_as_columns(browser: Any, tmp_path: Path) -> None:
    tracker = MlflowTracker(f"sqlite:///{tmp_path}/mlflow.db", system_metrics_s=0)
    with tracker.run("trial 3: wet 0.2") as run:
        run.metrics({"words_lost_cleaned": 3, "level_change_db_cleaned": -1.5, "si_sdr": 2})
        run.params({"fusion": "mean_mask"})

    def columns() -> list[str]:
        """From left to right, without what is always there."""
        heads = browser.find_elements("css selector", ".ag-header-cell[col-id*='`']")
        placed = sorted((head.location["x"], head.get_attribute("col-id")) for head in heads)
        return [name for _, name in placed if not name.startswith("attributes")]

    with mlflow_server(str(tracker.uri), cwd=tmp_path) as (_, server):
        browser.get(server + views.route("1"))
        until(
            lambda: (
                columns()
                == [
                    "metrics.`words_lost_cleaned`",
                    "metrics.`level_change_db_cleaned`",
                    "params.`fusion`",
                ]
            ),
            60,
        )
        assert views.NAME in browser.page_source
        assert "trial 3: wet 0.2" in browser.page_source
