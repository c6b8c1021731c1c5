"""report.html in a real browser: it plays, switches, sorts and tests blindly, and asks the network
for nothing."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from speechclean.audio.loudness import integrated_lufs
from speechclean.audio.sound_files import load, save
from speechclean.audio.waveform import Audio
from speechclean.records.file_result import FileResult
from speechclean.records.results import html_report
from speechclean.records.results.ab_clips import write_snippets
from speechclean.records.results.summary import means_of
from speechclean.stages.types import Separation
from tests.conftest import noise, tone
from tests.integration.conftest import NEEDS_A_BROWSER
from tests.support.waiting import LIMIT_S

pytestmark = NEEDS_A_BROWSER


@dataclass
class Metric:
    unit: str
    higher_is_better: bool | None


METRICS = {"si_sdr": Metric("dB", True), "wer": Metric("", False), "lufs": Metric("LUFS", None)}


def separated(number: int) -> Separation:
    """A voice of one tone over music of another, with the voice found."""
    voice, music = (
        tone(300 + 10 * number, 4.0, level=0.2),
        tone(1000, 4.0, level=0.1 + 0.02 * number),
    )
    speech = voice.with_waveform(0.6 * voice.waveform + 0.001 * noise(4.0).waveform)
    return Separation(
        voice.with_waveform(voice.waveform + music.waveform), speech, torch.ones(1, 3, 1), 0.6
    )


def rows(count: int) -> list[dict[str, Any]]:
    """As a run makes them; one failed, one has a name that would break a careless page, one has no
    word error rate."""
    made: list[dict[str, Any]] = []
    for n in range(count):
        row: dict[str, Any] = {
            "alias": f"clip_{n}",
            "path": f"in/{n}.wav",
            "status": "cleaned",
            "reason": "",
            "seconds": 4.0,
        }
        gain = (n * 7) % count
        row |= {
            "si_sdr_mixture": 1.0,
            "si_sdr_cleaned": 1.0 + gain,
            "lufs_mixture": -20.0,
            "lufs_cleaned": -21.0,
        }
        row |= {
            "wer_mixture": 0.5,
            "wer_cleaned": 0.5 - 0.01 * n,
            "verdict": "harmed: WER +0.1" if n == 1 else "improved",
        }
        made.append(row)
    made[0] |= {"wer_mixture": None, "wer_cleaned": None}
    made[2]["alias"] = "</script><b>{{js}} ünïcödé 音声"
    made.append(
        {"alias": "broken", "path": "in/b.wav", "status": "failed", "reason": "in/b.wav: empty"}
    )
    return made


def written(folder: Path, count: int, clips: int) -> Path:
    made = rows(count)
    for n in range(clips):
        write_snippets(separated(n), made[n]["alias"].replace("/", "_"), folder / "ab", 4.0)
    made[2]["alias"] = made[2]["alias"].replace("/", "_")
    results = [FileResult.from_row(row) for row in made]
    means = means_of(results, METRICS)
    origin = "out · 2026-01-02 03:04 UTC · a + b, <b>mean_mask</b>"
    return html_report.write_page(results, means, METRICS, folder, "trial", 7, (), origin)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("report"), 6, 6)


@pytest.fixture
def opened(browser: Any, report: Path) -> Any:
    browser.get(report.as_uri())
    assert browser.execute_script("return document.documentElement.dataset.ready") == "yes"
    return browser


def until(condition: Callable[[], Any], seconds: float = LIMIT_S) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)
    return found


def press(browser: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def gains(browser: Any) -> dict[str, float]:
    script = (
        "return Object.fromEntries(Object.entries(player.nodes).map(([n, one]) => [n, "
        "one.gain.gain.value]))"
    )
    return browser.execute_script(script)


def heard_alone(browser: Any, sound: str) -> bool:
    return [name for name, gain in gains(browser).items() if gain > 1e-3] == [sound]


def plays_and_switches(browser: Any) -> None:
    """The report in the browser's current frame gets ready, plays, and turns to what was
    cleaned."""
    until(lambda: browser.execute_script("return document.documentElement.dataset.ready === 'yes'"))
    browser.execute_script("play()")
    until(lambda: browser.execute_script("return player.playing"))
    browser.execute_script("select('cleaned')")
    until(lambda: gains(browser)["mixture"] < 1e-3 < gains(browser)["cleaned"])


def test_switches_at_once_at_the_same_place(opened: Any) -> None:
    press(opened, " ")
    until(lambda: opened.execute_script("return player.playing && now() > 0.05"))
    until(lambda: gains(opened)["mixture"] > 0.01)
    for key, sound in (("2", "cleaned"), ("3", "residual"), ("1", "mixture"), ("2", "cleaned")):
        # what `now` counts from
        before = opened.execute_script("return [player.position, player.started]")
        press(opened, key)
        # One sound is heard and the other two are not; nothing was started anew.
        until(partial(heard_alone, opened, sound))
        assert opened.execute_script("return [player.position, player.started]") == before
    pressed = opened.execute_script(
        "return document.querySelector('#sounds [aria-pressed=true]').textContent"
    )
    assert pressed == "Cleaned"
    cursor = opened.execute_script(
        "return parseFloat(document.getElementById('cursor').style.left)"
    )
    assert 0 <= cursor <= 100
    press(opened, " ")
    assert not opened.execute_script("return player.playing")
    place = opened.execute_script("return now()")
    time.sleep(0.2)
    assert opened.execute_script("return now()") == place
    opened.execute_script("seek(2)")
    press(opened, "\ue012")  # arrow left
    assert opened.execute_script("return now()") == pytest.approx(1.0, abs=0.01)
    press(opened, "\ue015")  # arrow down: the next file
    assert opened.execute_script("return player.clip") == 1


def test_all_three_sounds_have_one_length_and_the_matched_level(opened: Any, report: Path) -> None:
    script = """
    const done = arguments[0];
    const heard = (buffer) => ({ seconds: buffer.duration, rate: buffer.sampleRate,
      samples: Array.from(buffer.getChannelData(0)) });
    decode(0).then((all) => done(Object.fromEntries(
      Object.entries(all).map(([name, buffer]) => [name, heard(buffer)]))));
    """
    heard = opened.execute_async_script(script)
    assert len({round(one["seconds"], 4) for one in heard.values()}) == 1
    matched = {
        name: sound["matched"]
        for name, sound in opened.execute_script("return data.clips[0].sounds").items()
    }
    levels = {}
    for name in ("mixture", "cleaned"):
        waveform = torch.tensor(heard[name]["samples"])[None] * matched[name]
        levels[name] = integrated_lufs(Audio(waveform, int(heard[name]["rate"])))
    assert levels["mixture"] == pytest.approx(levels["cleaned"], abs=0.1)
    snippet = load(
        report.parent / "ab" / f"{opened.execute_script('return data.clips[0].alias')}_mixture.flac"
    )
    assert heard["mixture"]["seconds"] == pytest.approx(snippet.seconds, abs=0.15), (
        "mp3 pads its ends"
    )


def test_blind_test_follows_its_seed_and_keeps_its_answers(opened: Any) -> None:
    def run(seed: int, right: bool) -> dict[str, Any]:
        opened.execute_script("document.getElementById('abx').open = true")
        opened.execute_script("document.getElementById('abx-seed').value = arguments[0]", seed)
        opened.execute_script("document.getElementById('abx-trials').value = 5")
        opened.execute_script("document.getElementById('abx-start').click()")
        for _ in range(5):
            shown = opened.execute_script(
                "return getComputedStyle(document.getElementById('spectrogram')).visibility"
            )
            assert shown == "hidden", "pictures would tell"
            for key in "abx":
                press(opened, key)
            secret = opened.execute_script("return abx.current.x")
            other = {"a": "b", "b": "a"}[secret]
            opened.execute_script(
                "document.querySelector(`[data-answer=${arguments[0]}]`).click()",
                secret if right else other,
            )
        return json.loads(opened.execute_script("return document.getElementById('abx-json').value"))

    first, again, another, wrong = run(3, True), run(3, True), run(4, True), run(3, False)
    assert first == again
    assert first["trials"] != another["trials"]
    assert first["seed"] == 3
    assert first["right"] == 5
    assert first["p"] == pytest.approx(1 / 32)
    assert wrong["right"] == 0
    assert wrong["p"] == 1
    saved = opened.execute_script(
        "const a = document.getElementById('abx-save'); return [a.download, a.href.slice(0, 5)]"
    )
    assert saved == ["abx_trial_seed3.json", "blob:"]
    assert not opened.execute_script("return document.body.classList.contains('blind')")


def test_says_what_was_made_where_and_when(opened: Any, report: Path) -> None:
    said = opened.find_element("id", "origin").text
    assert said == "out · 2026-01-02 03:04 UTC · a + b, <b>mean_mask</b>"
    assert opened.title == f"trial · {report.parent.name}"


def test_sorts_and_finds(opened: Any) -> None:
    def column(index: int) -> list[str]:
        script = (
            "return [...document.querySelectorAll('#files tbody tr')].map((row) => "
            "row.cells[arguments[0]].textContent)"
        )
        return opened.execute_script(script, index)

    headings = opened.execute_script(
        "return [...document.querySelectorAll('#files th')].map((cell) => cell.textContent)"
    )
    assert headings == ["file", "verdict", "seconds", "si_sdr", "wer", "lufs"]
    for index, missing in ((3, 1), (4, 2)):
        opened.execute_script("document.querySelectorAll('#files th')[arguments[0]].click()", index)
        up = [cell for cell in column(index) if cell]
        opened.execute_script("document.querySelectorAll('#files th')[arguments[0]].click()", index)
        down = [cell for cell in column(index) if cell]
        changes = [float(cell.split()[1].replace("−", "-")) for cell in up]
        assert changes == sorted(changes)
        assert down == up[::-1]
        assert column(index)[-missing:] == [""] * missing, "what has no value stays below"
    opened.execute_script(
        "const f = document.getElementById('find'); f.value = 'harmed'; f.dispatchEvent(new "
        "Event('input'))"
    )
    assert column(0) == ["clip_1"]
    opened.execute_script(
        "const f = document.getElementById('find'); f.value = 'empty'; f.dispatchEvent(new "
        "Event('input'))"
    )
    assert column(1) == ["failed: in/b.wav: empty"]
    opened.execute_script(
        "const f = document.getElementById('find'); f.value = ''; f.dispatchEvent(new "
        "Event('input'))"
    )
    assert any("{{js}} ünïcödé 音声" in cell for cell in column(0)), "a name is text"
    assert opened.execute_script("return document.querySelectorAll('b').length") == 0


def test_asks_the_network_for_nothing_and_logs_no_error(browser: Any, report: Path) -> None:
    browser.get("about:blank")
    browser.get_log("performance")
    browser.get_log("browser")
    browser.get(report.as_uri())
    press(browser, " ")
    until(lambda: browser.execute_script("return player.playing"))
    press(browser, " ")
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    wanted = [
        one["params"]["request"]["url"]
        for one in messages
        if one["method"] == "Network.requestWillBeSent"
    ]
    assert report.as_uri() in wanted, "the log works"
    assert [
        url for url in wanted if not url.startswith(("data:", "blob:")) and url != report.as_uri()
    ] == []
    assert browser.get_log("browser") == []


def test_plays_in_a_frame_that_may_do_nothing_but_run_scripts(browser: Any, report: Path) -> None:
    """As MLflow shows artifacts: `<iframe sandbox="allow-scripts" srcdoc>`, an origin of its
    own."""
    frame = report.parent / "frame.html"
    frame.write_text('<iframe sandbox="allow-scripts" style="width:1000px;height:800px"></iframe>')
    browser.get(frame.as_uri())
    browser.execute_script(
        "document.querySelector('iframe').srcdoc = arguments[0]", report.read_text(encoding="utf-8")
    )
    browser.switch_to.frame(browser.find_element("tag name", "iframe"))
    plays_and_switches(browser)
    browser.switch_to.default_content()


def test_the_headline_comes_first_and_says_what_it_was_measured_by(opened: Any) -> None:
    script = (
        "return [...document.querySelectorAll('#headline tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    rows = opened.execute_script(script)
    assert [row[0] for row in rows] == [
        "words lost",
        "music left",
        "speech quality",
        "voice kept",
        "level",
    ]
    assert rows[0][4] == "wer: share heard wrong (5 of 6 files)"
    assert rows[1][1:4] == ["–", "–", "–"]
    assert rows[1][4].startswith("not measured: ")
    assert rows[4][1:4] == ["−20.00", "−21.00", "−1.00"]
    assert opened.execute_script(
        "return document.getElementById('headline').getBoundingClientRect().top"
        " < document.getElementById('player').getBoundingClientRect().top"
    )


def test_on_a_telephone_nothing_sticks_out(browser: Any, report: Path) -> None:
    size = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(report.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert (
        browser.execute_script(
            "return document.getElementById('play').getBoundingClientRect().height"
        )
        >= 36
    )
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_dark_where_the_reader_wants_it_dark(opened: Any) -> None:
    def lightness() -> float:
        colour = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
        return math.fsum(float(part) for part in colour.strip("rgb()").split(",")) / 3

    assert lightness() > 200
    features = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    assert lightness() < 60
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_sounds_of_many_files_stay_within_their_bounds(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit is left out, the worst files last."""
    assert html_report.MOST_BYTES * 4 / 3 < 9_000_000
    monkeypatch.setattr(html_report, "MOST_BYTES", 700_000)
    made = rows(200)
    made[2]["alias"] = "clip_2"
    stereo = noise(1.0, 48000, channels=2)  # the costliest sound there is for a coder
    order = sorted(made[:200], key=lambda row: row["si_sdr_cleaned"])
    for row in order[:3] + order[98:101] + order[-3:]:
        for name in html_report.SOUNDS:
            save(stereo, tmp_path / "ab" / f"{row['alias']}_{name}.flac")
    # Every file has snippets in a run; here the others are links to the same.
    for row in made[:200]:
        for name in html_report.SOUNDS:
            target = tmp_path / "ab" / f"{row['alias']}_{name}.flac"
            if not target.exists():
                target.symlink_to(tmp_path / "ab" / f"{order[0]['alias']}_{name}.flac")
    results = [FileResult.from_row(row) for row in made]
    means = means_of(results, METRICS)
    path = html_report.write_page(results, means, METRICS, tmp_path, "many", 0)
    assert path.stat().st_size < 700_000 * 4 / 3 + 200_000
    browser.get(path.as_uri())
    assert (
        browser.execute_script("return document.querySelectorAll('#files tbody tr').length") == 201
    )
    assert 3 <= browser.execute_script("return data.clips.length") < 9
    whys = browser.execute_script("return data.clips.map((clip) => clip.why.split(',')[0])")
    assert whys[0] == "worst"


def test_without_snippets_the_numbers_are_still_there(browser: Any, tmp_path: Path) -> None:
    path = written(tmp_path, 4, 0)
    browser.get(path.as_uri())
    assert browser.execute_script("return document.querySelectorAll('#files tbody tr').length") == 5
    assert "output.ab_seconds" in browser.execute_script(
        "return document.getElementById('how').textContent"
    )
    assert html_report.write_page([], {}, {}, tmp_path, "nothing", 0).stat().st_size
