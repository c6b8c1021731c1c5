"""The heavy pipeline from a folder of files to cleaned speech, on the full-size architectures with
random weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from speechclean.audio.sound_files import load, probe, save
from speechclean.networks.weights.registry import models
from tests.conftest import noise
from tests.integration.conftest import environment
from tests.support import published_weights


def command(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`python -m ...` with no caches, no network and, by SPEECHCLEAN_WEIGHTS, what is in
    `folder`/weights."""
    bare = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME"), str(folder / "bare"))
    dead = dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
    )
    own = (
        environment()
        | bare
        | dead
        | {"SPEECHCLEAN_WEIGHTS": str(folder / "weights"), "COLUMNS": "400"}
        | more
    )
    own["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=own,
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_that_is_missing_is_said_before_any_audio_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"never opened")
    metrics = "metrics=[wer_whisper,music_presence,squim]"
    done = command(
        tmp_path,
        "speechclean",
        "experiment=best_pipeline",
        metrics,
        "dataset=folder",
        "dataset.pattern=*.wav",
    )
    assert done.returncode == 2
    for name in (
        "htdemucs_ft",
        "mdx_extra_q",
        "dns64",
        "whisper-base.en",
        "panns-cnn14",
        "squim_objective",
    ):
        assert f"speechclean weights fetch {name}" in done.stderr
    assert "about 336 MB" in done.stderr


def test_all_that_is_wrong_is_said_before_any_audio_is_read(tmp_path: Path) -> None:
    """Files that are there under the right names: hostile, of another network, not even a
    checkpoint."""
    (tmp_path / "a.wav").write_bytes(b"never opened")
    (tmp_path / "nets").mkdir()
    torch.save({"state": Attack(f"touch {tmp_path}/ran")}, tmp_path / "nets" / "abcd.th")
    torch.save({"x": torch.zeros(1)}, tmp_path / "dns.th")
    (tmp_path / "base.pt").write_bytes(b"<html>sign in</html>")
    done = command(
        tmp_path,
        "speechclean",
        "separators=[local]",
        "separators.local.path=nets",
        "separators.local.name=abcd",
        "enhancement=dns64",
        "enhancement.model=dns.th",
        "metrics=[wer_whisper]",
        "metrics.wer_whisper.model=base.pt",
        "dataset=folder",
        "dataset.pattern=*.wav",
        "tracking=none",
        "hydra.run.dir=out",
    )
    assert done.returncode == 2
    assert "3 problems in the config, nothing was started" in done.stderr
    assert (
        "- separators.local: nets/abcd.th: refused, nothing of it was run: not a plain "
        "checkpoint (it names posix.system)" in (done.stderr)
    )
    assert "- enhancement: dns.th: " in done.stderr
    assert "- metrics.wer_whisper: base.pt: refused" in done.stderr
    for unwanted in ("Traceback", "weights_only", "a.wav"):
        assert unwanted not in done.stderr
    assert not (tmp_path / "ran").exists()
    assert not list(tmp_path.glob("out/*.csv"))


class Attack:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.slow
def test_best_pipeline_on_full_size_networks(tmp_path: Path) -> None:
    """In the files that are published: safetensors, DiffQ-quantised pickles and safetensors, the
    denoiser's pickle; judged by Whisper, Cnn14 and SQUIM of full size."""
    folder = tmp_path / "weights"
    published_weights.write(folder)
    published_weights.write_metrics(folder)
    for name in ("whisper-base.en", "panns-cnn14", "squim_objective"):
        (file,) = models()[name].files
        assert file.size_mb
        size = (folder / file.urls[0].name).stat().st_size
        assert size == pytest.approx(file.size_mb * 1e6, rel=0.03)
    save(noise(5.0, 48000, channels=2), tmp_path / "clip.wav", "PCM_16")
    (tmp_path / "set.csv").write_text("path,transcript\nclip.wav,what nobody said\n")
    metrics = (
        "metrics=[lufs,wer_whisper,music_presence,music_presence_max,squim,squim_pesq,squim_si_sdr]"
    )
    done = command(
        tmp_path,
        "speechclean",
        "experiment=best_pipeline",
        "shifts=1",  # not its 4: the same networks, a third of the minutes
        "dataset=manifest",
        "dataset.path=set.csv",
        "device=cpu",
        metrics,
        f"enhancement.model={folder / 'dns64.th'}",
        f"metrics.wer_whisper.model={folder / 'base.en.pt'}",
        "hydra.run.dir=out",
        "tracking=none",
    )
    assert done.returncode == 0, done.stderr
    assert probe(tmp_path / "out/cleaned/clip.wav") == probe(tmp_path / "clip.wav")
    assert load(tmp_path / "out/cleaned/clip.wav").waveform.isfinite().all()
    origin = json.loads((tmp_path / "out/provenance.json").read_text())
    assert len(origin["weights"]) == 12
    assert {Path(file["path"]).suffix for file in origin["weights"].values()} == {
        ".th",
        ".safetensors",
        ".pt",
        ".pth",
    }
    (row,) = json.loads((tmp_path / "out/metrics.json").read_text())["rows"]
    for name in (
        "wer_whisper",
        "music_presence",
        "music_presence_max",
        "squim",
        "squim_pesq",
        "squim_si_sdr",
    ):
        assert row[f"{name}_cleaned"] is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", list(published_weights.ROFORMERS))
def test_a_full_size_roformer(name: str, tmp_path: Path) -> None:
    """Random weights; the file is as large as the published one, to the percent: the architecture
    is the published one's."""
    pytest.importorskip("bs_roformer", reason="pip install 'speechclean[roformer]'")
    folder = tmp_path / "weights"
    checkpoint, config = published_weights.write_roformer(folder, name)
    # 2 s: a quarter of the minutes
    config.write_text(config.read_text().replace("chunk_size: 352800", "chunk_size: 88200"))
    published_mb = models()[name].files[0].size_mb
    assert published_mb
    assert checkpoint.stat().st_size == pytest.approx(published_mb * 1e6, rel=1e-3)
    # its published name would be held against its published sha256
    checkpoint.rename(folder / "mine.ckpt")
    save(noise(1.5, 44100, channels=2), tmp_path / "clip.wav", "PCM_16")
    done = command(
        tmp_path,
        "speechclean",
        "separators=[roformer]",
        f"separators.roformer.name={folder / 'mine.ckpt'}",
        "device=cpu",
        "dataset=folder",
        "dataset.pattern=*.wav",
        "metrics=[lufs]",
        "hydra.run.dir=out",
        "tracking=none",
        "shifts=0",
        "overlap=0",
    )
    assert done.returncode == 0, done.stderr
    assert probe(tmp_path / "out/cleaned/clip.wav") == probe(tmp_path / "clip.wav")
    assert load(tmp_path / "out/cleaned/clip.wav").waveform.isfinite().all()
