"""The core installs on each Python with that Python's pins, and cleans there.

`make test-install`: it wants a package index within reach, and some 9 GB for a while.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from speechclean.audio.sound_files import load, probe
from speechclean.system.resources import asset
from tests.integration.conftest import environment
from tests.support.paths import ROOT
from tests.support.pythons import python_of

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(1800)]

#: Rooms whose tests need no extra, and what they are run by.
ROOMS = (
    *("tests/audio", "tests/system", "tests/stages/fusion", "tests/stages/postprocess"),
    *("tests/stages/separators/test_choices.py", "tests/experiment/config/test_packages.py"),
)
RUNNER = ("pytest", "pytest-timeout", "hypothesis")
#: Networks that are shipped: nothing else is fetched.
NETWORKS = "separators=[embedded_hdemucs24,embedded_hdemucs_q]"


def done(*line: str, folder: Path = ROOT, **more: str) -> str:
    """What a command prints; a test whose command fails shows its errors."""
    bare = {key: value for key, value in environment().items() if key != "PYTHONPATH"}
    told = subprocess.run(
        line, cwd=folder, env=bare | more, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-3000:]
    return told.stdout


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What both download is downloaded once, and gone with the tests: pytest would keep it."""
    folder = tmp_path_factory.mktemp("cache")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module", params=["3.12", "3.13"])
def core(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> Iterator[Path]:
    """The `bin` of an environment with the core alone, installed by uv from the pins."""
    if not (python := python_of(request.param)):
        pytest.skip(f"there is no Python {request.param} here")
    uv, venv = Path(sys.executable).with_name("uv"), tmp_path_factory.mktemp("venv")
    done(str(uv), "venv", "--quiet", "--allow-existing", "--python", python, str(venv))
    pins = str(ROOT / "constraints" / f"{request.param}.txt")
    install = [str(uv), "pip", "install", "--quiet", "--python", str(venv), "--constraint", pins]
    done(*install, str(ROOT), *RUNNER, UV_CACHE_DIR=str(cache))
    yield venv / "bin"
    shutil.rmtree(venv)


def test_a_file_is_cleaned(core: Path, tmp_path: Path) -> None:
    mixture = next(asset("pilot").glob("*welcome_intro_generated.flac"))
    done(
        str(core / "speechclean"), "clean", str(mixture), "-o", "out.wav", NETWORKS, folder=tmp_path
    )
    before, after = probe(mixture), probe(tmp_path / "out.wav")
    assert (after.samples, after.sample_rate) == (before.samples, before.sample_rate)
    cleaned = load(tmp_path / "out.wav").waveform
    assert cleaned.isfinite().all()
    assert (cleaned - load(mixture).waveform).square().mean() > 1e-5, "nothing was taken out"


def test_quick_tests_pass(core: Path) -> None:
    told = done(
        *(str(core / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *("-m", "not slow", *ROOMS),
        PYTHONPATH=str(ROOT),
    )
    assert " passed" in told or "[100%]" in told
