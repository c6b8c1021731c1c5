"""`speechclean tune` as a whole: a study within its time, and a page to hear the best."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from speechclean.audio.sound_files import save
from tests.conftest import tone
from tests.integration.conftest import SMALL, Command


@pytest.mark.slow
def test_from_a_folder_to_a_page_that_is_heard(speechclean: Command, tmp_path: Path) -> None:
    for n in range(3):
        save(tone(300 + 90 * n, 1.0), tmp_path / "in" / f"{n}.wav")
    line = (
        *("tune", "in", "--files", "2", "--name", "mine", "-o", "out", *SMALL[:2], SMALL[3]),
        *("metrics=[lufs,level_change_db]", "sweep.preset=null", "sweep.startup_trials=2"),
        *("postprocess=[]", "sweep.n_trials=9"),
        "sweep.constraints=['level_change_db <= current + 1']",
        "sweep.objective={metric: lufs_cleaned, direction: maximize}",
    )
    done = speechclean(*line, "--budget", "1s")
    assert done.returncode == 0, done.stderr
    assert "the budget of 1s is spent" in done.stdout
    assert "no transcripts" in done.stderr
    page = (tmp_path / "out/study.html").read_text()
    assert data(page)["sounds"] == [["mixture", "Mixture"], ["trial_0", "As it stands"]]

    done = speechclean(*line, "--budget", "10m")
    assert done.returncode == 0, done.stderr
    assert "the study goes on with its 2 files" in done.stderr
    with (tmp_path / "out/trials.csv").open(newline="") as file:
        trials = list(csv.DictReader(file))
    assert len(trials) == 9
    assert trials[0]["fusion"] == "", "as it stands"
    assert "enhancement.wet" not in trials[0], "no denoiser, no wet mix"
    assert "fusion.weights.spleeter" not in trials[0], "of a separator that is not there"
    for trial in trials[1:]:
        assert bool(trial["fusion.exponent"]) == (trial["fusion"] != "mean_waveform")
    said = data((tmp_path / "out/study.html").read_text())
    assert [label for _, label in said["sounds"]][:2] == ["Mixture", "As it stands"]
    assert len(said["sounds"]) == 5, "and the three best"
    assert len(said["clips"]) == 2
    for clip in said["clips"]:
        assert set(clip["sounds"]) == {name for name, _ in said["sounds"]}
    assert said["abx"] == [said["sounds"][1][0], said["sounds"][2][0]]
    assert "as it stands" in [row[1] for row in said["tables"][0]["rows"]]
    assert (tmp_path / "out/best.yaml").is_file()


def data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    answer: dict[str, Any] = json.loads(found[1])
    return answer
