"""Take pictures of MLflow's own pages on the runs of one experiment.

They come from a real UI in headless Chromium.

    pip install playwright==1.65.2
    apt-get install chromium
    python -m experiments.compare_view.screenshots sqlite:///mlflow.db EXPERIMENT FOLDER

The browsers that playwright itself can fetch are not needed: Debian's Chromium is driven.
"""

from __future__ import annotations

import argparse
import json
import urllib.parse
import urllib.request
from pathlib import Path

from mlflow import MlflowClient
from playwright.sync_api import Page, sync_playwright

from tests.support.servers import mlflow_server

#: The recipe: parameters and metrics of the parallel-coordinates plot, x and y of the scatter plot.
PARALLEL = (
    ["enhancement.wet", "postprocess.beta_wiener.beta"],
    ["si_sdr_improvement", "music_to_speech_db_improvement"],
)
SCATTER = ("music_to_speech_db_improvement", "si_sdr_improvement")
SIZE = {"width": 1280, "height": 640}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("uri")
    parser.add_argument("experiment")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    client = MlflowClient(arguments.uri)
    experiment = client.get_experiment_by_name(arguments.experiment)
    if experiment is None:
        parser.error(f"{arguments.experiment}: no such experiment in {arguments.uri}")
    runs = [run.info.run_id for run in client.search_runs([experiment.experiment_id])]
    with mlflow_server(arguments.uri) as (_, server), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=arguments.chromium, args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=SIZE)
        address = f"{server}/#"
        arguments.folder.mkdir(parents=True, exist_ok=True)
        parameters = {
            "runs": json.dumps(runs),
            "experiments": json.dumps([experiment.experiment_id]),
        }
        page.goto(f"{address}/compare-runs?{urllib.parse.urlencode(parameters)}")
        page.get_by_text("Parallel Coordinates Plot").wait_for(timeout=60_000)
        close_assistant(page)
        page.get_by_role("button", name="Clear All").click()
        for kind, names in enumerate(PARALLEL):
            for name in names:
                choose(page, kind, name)
        page.wait_for_timeout(2000)
        shoot(page, arguments.folder / "parallel_coordinates.png")
        page.get_by_text("Scatter Plot").first.click()
        page.wait_for_timeout(2000)
        for axis, name in zip("xy", SCATTER, strict=True):
            page.locator(f"#{axis}-axis-selector").click()
            page.get_by_role("option", name=name, exact=True).click()
        page.wait_for_timeout(2000)
        shoot(page, arguments.folder / "scatter.png")
        browser.close()


def close_assistant(page: Page) -> None:
    """The panel on the right is remembered as closed."""
    button = page.get_by_role("button", name="Close")
    if button.count():
        button.last.click()
        page.wait_for_timeout(1000)


def choose(page: Page, kind: int, name: str) -> None:
    """Add a name to the parameters (0) or the metrics (1) of the parallel-coordinates plot."""
    page.get_by_role("combobox").nth(kind).click()
    page.keyboard.type(name)
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")


def shoot(page: Page, path: Path) -> None:
    page.screenshot(path=str(path))
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
