"""Whole commands, as users type them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
NEEDS_A_BROWSER = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="no browser: apt-get install chromium chromium-driver, and this runs",
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    # As root and in containers there is no sandbox to be had, and little shared memory.
    arguments = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1200,900",
    )
    for argument in (*arguments, "--autoplay-policy=no-user-gesture-required"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()
