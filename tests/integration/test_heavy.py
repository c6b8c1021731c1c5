"""The heavy pipeline from a folder of files to cleaned speech, on the full-size architectures with random weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from speechclean.audio import load, probe, save
from tests.conftest import noise
from tests.integration.conftest import environment


def command(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`python -m ...` with no caches, no network and, by SPEECHCLEAN_WEIGHTS, what is in `folder`/weights."""
    bare = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME"), str(folder / "bare"))
    dead = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    own = environment() | bare | dead | {"SPEECHCLEAN_WEIGHTS": str(folder / "weights"), "COLUMNS": "400"} | more
    own["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    return subprocess.run([sys.executable, "-m", *arguments], cwd=folder, env=own, capture_output=True, text=True, check=False)


def test_all_that_is_missing_is_said_before_any_audio_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"never opened")
    metrics = "metrics=[wer_whisper,music_presence,squim]"
    done = command(tmp_path, "speechclean", "experiment=best_pipeline", metrics, "dataset=folder", "dataset.pattern=*.wav")
    assert done.returncode == 2
    for name in ("htdemucs_ft", "mdx_extra_q", "dns64", "whisper-base.en", "panns-cnn14", "squim_objective"):
        assert f"python -m speechclean.weights fetch {name}" in done.stderr
    assert "about 336 MB" in done.stderr


@pytest.mark.slow
def test_best_pipeline_on_full_size_networks(tmp_path: Path) -> None:
    from experiments.speed import weights

    folder = tmp_path / "weights"
    weights.write(folder)
    save(noise(5.0, 48000, channels=2), tmp_path / "clip.wav", "PCM_16")
    done = command(
        tmp_path, "speechclean", "experiment=best_pipeline", "dataset=folder", "dataset.pattern=*.wav", "device=cpu",
        f"enhancement.model={folder / 'dns64.th'}", "metrics=[lufs]", "hydra.run.dir=out", "tracking=none", "shifts=1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert probe(tmp_path / "out/cleaned/clip.wav") == probe(tmp_path / "clip.wav")
    assert load(tmp_path / "out/cleaned/clip.wav").waveform.isfinite().all()
    origin = json.loads((tmp_path / "out/provenance.json").read_text())
    assert len(origin["weights"]) == 9
