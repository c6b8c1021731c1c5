"""What only a GPU can show; skipped where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from speechclean.audio.sound_files import probe, save
from speechclean.audio.waveform import Audio
from speechclean.stages.separators.demucs import DemucsSeparator
from speechclean.stages.separators.roformer import RoformerSeparator
from tests.conftest import level_db, noise
from tests.integration.conftest import environment
from tests.support import published_weights, random_weights, roformer_files
from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")

SMALL_CARD = 6 * 2**30


@pytest.fixture
def small_card() -> Iterator[None]:
    """As much memory as a card of 6 GB has."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, SMALL_CARD / total))
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heavy")
    random_weights.write(folder)
    return folder


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16"])
@pytest.mark.parametrize("name", ["one", "two"])
def test_a_gpu_answers_as_a_cpu_does(models: Path, name: str, precision: str) -> None:
    clips = [noise(seconds, 24000, seed=index) for index, seconds in enumerate((0.4, 3.1, 2.0))]
    expected = DemucsSeparator(name, str(models), shifts=2, device="cpu")(clips)
    answers = DemucsSeparator(name, str(models), shifts=2, device="cuda", precision=precision)(
        clips
    )
    floor = 100 if precision == "fp32" else 40
    for one, other in zip(expected, answers, strict=True):
        difference = one.speech.waveform - other.speech.waveform.cpu()
        assert level_db(difference) < level_db(one.speech.waveform) - floor


@pytest.mark.slow
@pytest.mark.usefixtures("small_card")
@pytest.mark.parametrize(("name", "segment_s"), [("htdemucs_ft", 6.0), ("mdx_extra_q", None)])
def test_the_heavy_separators_fit_a_small_card(
    heavy: Path, name: str, segment_s: float | None
) -> None:
    """Four shifts over a minute of clips: batches find the size that fits."""
    clips = [Audio(0.1 * torch.randn(2, 6 * 44100), 44100) for _ in range(10)]
    stems = DemucsSeparator(name, str(heavy), shifts=4, segment_s=segment_s, device="cuda")(clips)
    assert all(one.speech.waveform.isfinite().all() for one in stems)
    assert torch.cuda.max_memory_reserved() <= SMALL_CARD


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("kind", ["bs", "mel"])
def test_a_roformer_on_a_gpu(kind: str, precision: str, tmp_path: Path) -> None:
    pytest.importorskip("bs_roformer", reason="pip install 'speechclean[roformer]'")
    path = str(roformer_files.write(tmp_path, kind))
    clips = [noise(1.3, 44100, channels=2), noise(0.4, 44100, channels=2, seed=1)]
    expected = RoformerSeparator(path, shifts=2, device="cpu")(clips)
    answers = RoformerSeparator(path, shifts=2, device="cuda", precision=precision)(clips)
    for one, other in zip(expected, answers, strict=True):
        difference = one.speech.waveform - other.speech.waveform.cpu()
        assert level_db(difference) < level_db(one.speech.waveform) - (
            80 if precision == "fp32" else 40
        )


@pytest.mark.slow
def test_the_heavy_pipeline_end_to_end(tmp_path: Path) -> None:
    """In the published formats, from files to files; time and memory are `python -m
    experiments.speed.compare`'s to tell."""
    published_weights.write(tmp_path / "weights")
    for index in range(4):
        save(noise(7.0, 48000, channels=2, seed=index), tmp_path / "in" / f"{index}.wav", "PCM_24")
    line = [
        sys.executable,
        "-m",
        "speechclean",
        "experiment=best_pipeline",
        "dataset=folder",
        "dataset.pattern=in",
    ]
    line += [
        f"weights.dir={tmp_path}/weights",
        f"enhancement.model={tmp_path}/weights/dns64.th",
        "device=cuda",
    ]
    line += ["metrics=[lufs]", "tracking=none", "hydra.run.dir=out"]
    # what this process found its packages by, the other one needs too
    found_by = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    settings = environment() | {"PYTHONPATH": os.pathsep.join(found_by)}
    done = subprocess.run(
        line, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for index in range(4):
        assert probe(tmp_path / f"out/cleaned/{index}.wav") == probe(tmp_path / f"in/{index}.wav")
