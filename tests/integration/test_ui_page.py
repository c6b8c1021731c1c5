"""`speechclean ui` in a real browser: files in, sounds to hear, files out, and no word to anybody
else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from speechclean.audio.sound_files import probe, save
from speechclean.system.extras import missing
from tests.conftest import noise, tone
from tests.integration.conftest import NEEDS_A_BROWSER, environment
from tests.integration.test_report_page import plays_and_switches, until
from tests.support.paths import ROOT
from tests.support.servers import free_port

pytestmark = [
    NEEDS_A_BROWSER,
    pytest.mark.skipif(bool(missing(["gradio"])), reason="no Gradio: the extra `ui` brings it"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]
SMALL = ("separators=[embedded_hdemucs_q]", "enhancement=identity")


@dataclass
class Served:
    """A server: its address, its process, and the folder that all its temporary files are in."""

    address: str
    process: subprocess.Popen[str]
    scratch: Path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    port, scratch = free_port(), tmp_path / "scratch"
    scratch.mkdir()
    line = [sys.executable, "-m", "speechclean", "ui", "--port", str(port), "--max-mb", "0.5"]
    process = subprocess.Popen(
        [*line, *SMALL],
        env=environment() | {"PYTHONPATH": str(ROOT), "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline().strip()
        address = f"http://127.0.0.1:{port}/"
        assert first == f"balanced on cpu: embedded_hdemucs_q; {address}" or "cuda" in first
        yield Served(address, process, scratch)
    finally:
        process.kill()
        process.communicate()


def drop(browser: Any, *paths: Path) -> None:
    chooser = until(lambda: browser.find_elements("css selector", "#files input[type=file]"))[0]
    chooser.send_keys("\n".join(map(str, paths)))
    until(lambda: all(path.name[:5] in shown(browser, "#files") for path in paths))


def shown(browser: Any, place: str) -> str:
    script = "return document.querySelector(arguments[0])?.innerText ?? ''"
    return str(browser.execute_script(script, place))


def asked(browser: Any) -> list[str]:
    """The addresses that were asked for anything."""
    log = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [one["params"] for one in log if one["method"] == "Network.requestWillBeSent"]
    return [one["request"]["url"] for one in sent]


def test_files_in_sounds_to_hear_files_out(browser: Any, served: Served, tmp_path: Path) -> None:
    first = save(tone(300, 1.0, 22050, channels=2), tmp_path / "first täke <b>.wav", "PCM_24")
    second, large = save(noise(0.5), tmp_path / "second.wav"), tmp_path / "large.wav"
    broken = tmp_path / "broken.wav"
    broken.write_text("no sound")
    save(noise(6.0, 48000), large)
    for log in ("performance", "browser"):
        browser.get_log(log)
    browser.get(served.address)
    drop(browser, first, broken, large, second)
    browser.execute_script("document.querySelector('#start').click()")
    until(lambda: shown(browser, "#outcome").count("cleaned, ") == 2)
    rows = shown(browser, "#outcome")
    assert "not a sound file" in rows
    assert "too large, 0.6 MB where 0.5 MB are the most" in rows
    assert "first täke" in rows

    frame = until(lambda: browser.find_elements("css selector", "#player iframe"))[0]
    # A browser draws no frame that nobody sees, and the player tells its height when it is drawn:
    # below the window's edge it would keep the one that it begins with for ever.
    browser.execute_script("arguments[0].scrollIntoView()", frame)
    until(lambda: frame.size["height"] not in (0, 430))
    browser.switch_to.frame(frame)
    plays_and_switches(browser)
    assert not browser.execute_script("return document.documentElement.scrollHeight > innerHeight")
    browser.switch_to.default_content()
    browser.execute_script("document.querySelectorAll('#choice input')[1].click()")
    until(lambda: "second.wav" in browser.find_element("id", "player").get_attribute("innerHTML"))

    folder = tmp_path / "downloads"
    where = {"behavior": "allow", "downloadPath": str(folder)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    browser.execute_script("document.querySelector('#downloads a').click()")
    found = until(lambda: [path for path in folder.glob("*") if path.suffix == ".wav"])[0]
    assert found.name.startswith("first täke ")
    assert probe(found) == probe(first)

    urls = asked(browser)
    assert served.address in urls, "the log works"
    own = (served.address, "data:", "blob:", "about:")
    assert [url for url in urls if not url.startswith(own)] == []
    errors = [one for one in browser.get_log("browser") if one["level"] == "SEVERE"]
    assert errors == []

    size = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    until(lambda: browser.execute_script("return document.documentElement.scrollWidth <= 390"))
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    assert list(served.scratch.glob("speechclean-ui-*/*"))
    served.process.send_signal(signal.SIGINT)
    out, err = served.process.communicate(timeout=60)
    assert served.process.returncode == 130
    assert (out, err) == ("", "")
    assert not list(served.scratch.glob("speechclean-ui-*"))
