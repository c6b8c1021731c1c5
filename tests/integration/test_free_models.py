"""DeepFilterNet3 and Spleeter through whole pipelines and commands, on their published weights."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch

from speechclean.audio.sound_files import load, save
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio
from speechclean.experiment.config.compose import composed
from speechclean.experiment.config.instantiate import instantiate_components
from speechclean.stages.enhancement.deepfilternet import DeepFilterEnhancement
from speechclean.stages.pipeline import Pipeline
from speechclean.stages.separators.deepfilternet import DeepFilterSeparator
from speechclean.stages.separators.spleeter import SpleeterSeparator
from speechclean.stages.streaming import clean_long
from tests.integration.conftest import environment
from tests.support import real_weights
from tests.support.paths import ROOT
from tests.support.speech_and_music import MONO, STEREO, clip

RULES = sorted(path.stem for path in (ROOT / "conf" / "fusion").glob("*.yaml"))
BOTH = "separators=[deepfilternet3,spleeter]"


@pytest.fixture(scope="module", autouse=True)
def weights() -> Path | None:
    return real_weights.use("deepfilternet3", "spleeter_2stems")


def pipeline(rule: str) -> Pipeline:
    problems, stages = instantiate_components(composed([BOTH, f"fusion={rule}"]))
    assert not problems
    return Pipeline(
        {"deepfilternet3": DeepFilterSeparator(device="cpu"), "spleeter": SPLEETER},
        stages["fusion"],
        DeepFilterEnhancement(0.5, device="cpu"),
        {},
        torch.device("cpu"),
    )


SPLEETER = SpleeterSeparator(segment_s=2.0, device="cpu")


@pytest.mark.parametrize(
    "rule",
    [
        rule if rule.startswith("mean_") else pytest.param(rule, marks=pytest.mark.slow)
        for rule in RULES
    ],
)
def test_every_fusion_rule_in_memory_and_streamed(rule: str, tmp_path: Path) -> None:
    path = save(clip(STEREO, 1.5), tmp_path / "x.wav", "FLOAT")
    own = pipeline(rule)
    (memory,) = own([load(path)])
    assert memory.speech.waveform.shape == load(path).waveform.shape
    assert 0 <= memory.mask.min() <= memory.mask.max() <= 1
    assert memory.residual.waveform.square().sum() > 0
    disk = clean_long(own, LongAudio.of(path), tmp_path, lambda _: nullcontext())
    streamed = torch.cat(list(disk.cleaned()), -1)
    assert (streamed - memory.speech.waveform).abs().max() < 1e-5


@pytest.mark.parametrize("rule", RULES)
def test_silence_stays_silent(rule: str) -> None:
    (silent,) = pipeline(rule)([Audio(torch.zeros(2, 20_000), 44100)])
    assert not silent.speech.waveform.any()


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_a_run_is_recorded_and_comes_out_the_same_again(
    weights: Path | None, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name in (MONO, STEREO):
        sound = clip(name, 1.0)
        soundfile.write(
            tmp_path / "in" / f"{name}.wav", sound.waveform.T.numpy(), sound.sample_rate
        )
    folder = [f"weights.dir={weights}"] if weights else []
    done = command(
        tmp_path, "speechclean", BOTH, "enhancement=deepfilternet3", "metrics=[lufs]",
        "output.plots=false", "dataset=folder", "dataset.pattern=in", "hydra.run.dir=out",
        "name=first", *folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    origin: dict[str, Any] = json.loads((tmp_path / "out/provenance.json").read_text())
    assert len(origin["weights"]) == 6
    again = command(
        tmp_path, "speechclean.cli.reproduce", "run_id=first",
        f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", "hydra.run.dir=again", "batch_size=3",
    )  # fmt: skip
    assert again.returncode == 0, again.stdout + again.stderr
    assert json.loads((tmp_path / "again/reproduction.json").read_text())["verdict"] == "bit-exact"
