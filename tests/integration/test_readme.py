"""Every command of the README, typed as it stands there, by somebody who has such files."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speechclean.audio.sound_files import save
from tests.conftest import noise, tone
from tests.integration.conftest import environment
from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text()
LINES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("speechclean")
]
#: Said besides, so that each takes seconds: the small network, two quick metrics, two trials.
SMALL, METRICS = "separators=[embedded_hdemucs_q]", "metrics=[lufs,dnsmos_ovrl,dnsmos_p808]"
QUICK = (SMALL, METRICS, "output.plots=false")
BESIDES = {
    "clean": (SMALL,),
    "evaluate": (METRICS, "output.plots=false"),
    "reproduce": (),
    "promote": (),
    "selection=best_of": ("metrics=[wer_vs_mixture,music_residual_db]", "output.plots=false"),
    "sweep=optuna": (SMALL, "metrics=[si_sdr]", "output.plots=false", "sweep.n_trials=2"),
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "speechclean", *arguments],
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(folder.parent / "checkout")},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all the files that the README speaks of, and a run called RUN; beside it a
    checkout that commands may write presets into."""
    top = tmp_path_factory.mktemp("readme")
    checkout, folder = top / "checkout", top / "here"
    shutil.copytree(ROOT / "conf", checkout / "conf")
    shutil.copytree(
        ROOT / "speechclean",
        checkout / "speechclean",
        ignore=shutil.ignore_patterns("__pycache__", "assets"),
    )
    (checkout / "speechclean" / "assets").symlink_to(ROOT / "speechclean" / "assets")
    speech = tone(220, 1.5, level=0.3)
    mixture = speech.with_waveform(speech.waveform + noise(1.5, level=0.03).waveform)
    for where in ("in.wav", "in/a.wav", "folder/deep/a.wav", "my/tts/one/a.wav", "mixtures/a.wav"):
        save(mixture, folder / where, "PCM_16")
    save(speech, folder / "references" / "a.wav", "PCM_16")
    save(speech, folder / "cleaned" / "a.wav", "PCM_16")
    (folder / "set.csv").write_text("path,reference\nmixtures/a.wav,references/a.wav\n")
    done = run(folder, *QUICK, "dataset=folder", "dataset.pattern=in", "name=RUN")
    assert done.returncode == 0, done.stderr
    return folder


def arguments(line: str) -> list[str]:
    """The words of a line, with what makes it quick; `...` is a dataset."""
    words = shlex.split(line, comments=True)[1:]
    dataset = ["dataset=folder", "dataset.pattern=in"]
    words = [one for word in words for one in (dataset if word == "..." else [word])]
    if words[0] == "-m" and not any(word.startswith("dataset") for word in words):
        words += dataset
    (key,) = [key for key in BESIDES if key in words] or [""]
    return [*words, *BESIDES.get(key, QUICK)]


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line.split()[1:3]))
def test_it_does_what_it_says(line: str, home: Path) -> None:
    done = run(home, *arguments(line))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    typed = shlex.split(line, comments=True)
    if "-o" in typed:
        out = home / typed[typed.index("-o") + 1]
        assert list(out.rglob("*.wav")) if out.is_dir() else out.is_file()


def test_the_lines_of_python_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(home)
    mixture = noise(1.0).waveform.numpy()
    names: dict[str, Any] = {"mixture": mixture, "paths": [home / "in.wav", home / "gone.wav"]}
    exec(compile(code, "README.md", "exec"), names)
    assert names["speech"].shape == mixture.shape
    parts = names["parts"]
    assert np.abs(parts.speech + parts.residual - mixture).max() < 1e-3
    assert (home / "cleaned" / "in.wav").is_file()


def test_make_offers_what_the_readme_names() -> None:
    offered = subprocess.run(
        ["make", "-C", str(ROOT), "--no-print-directory"],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    for target in re.findall(r"^make (\S+)", README, re.MULTILINE):
        assert f"make {target}" in offered
