"""Files of an ordinary run: separated ahead of those that are written, as on a GPU; as flac."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from omegaconf import OmegaConf
from rich.console import Console

from speechclean.audio.sound_files import load, save
from speechclean.experiment.config.build import build
from speechclean.experiment.config.compose import composed
from speechclean.experiment.in_process import OrdinarySession
from tests.conftest import noise


def test_neither_separating_ahead_nor_the_format_changes_a_sample(tmp_path: Path) -> None:
    for index, seconds in enumerate((0.4, 0.6, 0.5)):
        save(noise(seconds, 24000, seed=index), tmp_path / f"{index}.wav")
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    written = []
    for ahead, form in ((0, "wav"), (2, "wav"), (0, "flac")):
        out = tmp_path / f"{ahead} {form}"
        cfg = composed(
            [
                "separators=[embedded_hdemucs_q]",
                "enhancement=identity",
                "metrics=[lufs]",
                "tracking=none",
                "name=some",
                "output.plots=false",
                "device=cpu",
                "dataset=folder",
                f"dataset.pattern={tmp_path}/*.wav",
                "audio_in_memory_s=0.7",  # batches of one and of two
                f"output.dir='{out}'",
                f"output.format={form}",
            ]
        )
        out.mkdir()
        config = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
        with OrdinarySession.opened(build(cfg), config, Console(quiet=True)) as session:
            assert session.executor.ahead == 0, "a CPU has no time to be ahead"
            executor = replace(session.executor, ahead=ahead)
            results = list(executor.results(session.tracks))
        assert [bool(one and one.failed) for one in results] == [False, False, False, True]
        written.append([out / f"cleaned/{name}.{form}" for name in "012"])
        assert sorted((out / "cleaned").iterdir()) == written[-1]
    for wav, other, flac in zip(*written, strict=True):
        assert wav.read_bytes() == other.read_bytes()
        assert torch.equal(load(wav).waveform, load(flac).waveform)
