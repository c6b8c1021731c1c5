"""The core cleans by itself: without MLflow, Optuna, Whisper, metrics and all that is CC-BY-NC."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from speechclean import Cleaner
from speechclean.audio.sound_files import load, save
from speechclean.system import extras
from tests.conftest import noise
from tests.integration.conftest import environment
from tests.support.core_alone import show_core_alone
from tests.support.waiting import LIMIT_S

#: Networks that are shipped, in half precision and quantised.
NETWORKS = "separators=[embedded_htdemucs,embedded_hdemucs_q]"
SCRIPT = """
import sys
import numpy as np
from speechclean import Cleaner
from speechclean.system import extras

packages = [name for names in extras.table().values() for name in names]
assert extras.missing(packages) == packages
sound = np.random.default_rng(0).normal(0, 0.1, 24000)
cleaned = Cleaner("balanced", overrides=[sys.argv[1]]).clean(sound, sample_rate=24000)
assert cleaned.shape == sound.shape and np.isfinite(cleaned).all() and cleaned.any()
"""


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """How a Python with the core alone is started."""
    return show_core_alone(tmp_path_factory.mktemp("core"))


def done(core: list[str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*core, *words], cwd=folder, env=environment(), capture_output=True, text=True,
        timeout=LIMIT_S, check=False,
    )  # fmt: skip


def test_a_file_is_cleaned_as_in_a_full_installation(core: list[str], tmp_path: Path) -> None:
    save(noise(1.5, 24000, channels=2), tmp_path / "in.wav", "FLOAT")
    told = done(core, tmp_path, "speechclean", "clean", "in.wav", "-o", "out.wav", NETWORKS)
    assert told.returncode == 0, told.stderr
    expected = Cleaner("balanced", overrides=[NETWORKS]).clean(
        load(tmp_path / "in.wav").waveform, sample_rate=24000
    )
    assert (load(tmp_path / "out.wav").waveform - expected).abs().max() < 1e-6


@pytest.mark.slow
def test_from_python(core: list[str], tmp_path: Path) -> None:
    (Path(core[-1]).parent / "core_alone_use.py").write_text(SCRIPT)
    told = done(core, tmp_path, "core_alone_use", NETWORKS)
    assert told.returncode == 0, told.stderr


@pytest.mark.slow
def test_a_run_says_what_it_lacks_and_goes_without(core: list[str], tmp_path: Path) -> None:
    refused = done(core, tmp_path, "speechclean")
    assert refused.returncode == 2
    assert "pip install 'speechclean[all]'" in refused.stderr
    assert "    tracking=none 'metrics=[si_sdr," in refused.stderr
    assert list(tmp_path.iterdir()) == []
    save(noise(1.0, 24000), tmp_path / "in.wav")
    told = done(
        core, tmp_path, "speechclean", "tracking=none", "metrics=[lufs,bandwidth_hz]", NETWORKS,
        "dataset=folder", "dataset.pattern=in.wav", "hydra.run.dir=out",
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert {"report.html", "cleaned", "plots"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }


def test_nothing_of_an_extra_is_among_the_cores_packages(core: list[str]) -> None:
    folder = Path(core[-1]).parent
    for name in (name for names in extras.table().values() for name in names):
        assert not (folder / name.split(".")[0]).exists(), name
