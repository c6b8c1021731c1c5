"""What is packed for another machine arrives there, and what it learned comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from experiments.embedded_models import bundle
from experiments.embedded_models.data import SAMPLE_RATE, read_bank
from experiments.embedded_models.networks import build
from experiments.embedded_models.optimisers import Learner


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of recordings: three voices and two tracks of 2 s, at 16 and 44.1 kHz."""
    folder, rows = tmp_path / "recordings", ["file\tkind\tid\torigin"]
    folder.mkdir()
    for index, (kind, rate) in enumerate(
        [("speech", 16_000)] * 3 + [("music", 44_100)] * 2 + [("noise", 44_100)]
    ):
        tone = 0.5 * np.sin(2 * np.pi * (300 + 100 * index) * np.arange(2 * rate) / rate)
        soundfile.write(folder / f"{index}.wav", tone, rate)
        rows.append(f"{index}.wav\t{kind}\t{kind}{index}\thuman")
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")
    return folder


def test_pieces_hold_every_clip_once_within_the_limit(source: Path, tmp_path: Path) -> None:
    clips = bundle.wanted([source], None, most_s=60.0)
    one, *rest = bundle.pack(clips, tmp_path / "one", limit=10**6, workers=1)
    assert not rest
    pieces = bundle.pack(clips, tmp_path / "pieces", limit=one.stat().st_size // 2, workers=1)
    assert len(pieces) > 1
    bundle.unpack(tmp_path / "pieces", tmp_path / "banks", workers=1)
    for kind, count in (("speech", 3), ("music", 2), ("noise", 1)):
        bank = read_bank(tmp_path / "banks", kind)
        assert len({clip.file for clip in bank.clips}) == len(bank.clips) == count
        for clip in bank.clips:
            assert clip.source_rate == (16_000 if kind == "speech" else 44_100)
            assert clip.length == 2 * SAMPLE_RATE
            hz = 300 + 100 * int(clip.file.removeprefix("recordings/")[0])
            spectrum = np.abs(np.fft.rfft(bank.read(clip, 0, clip.length)))
            assert np.argmax(spectrum) == pytest.approx(2 * hz, abs=2)


def test_of_a_long_voice_no_more_than_asked_is_taken(source: Path, tmp_path: Path) -> None:
    bundle.pack(bundle.wanted([source], None, most_s=0.5), tmp_path / "pieces", 10**6, workers=1)
    bundle.unpack(tmp_path / "pieces", tmp_path / "banks", workers=1)
    lengths = {clip.length for clip in read_bank(tmp_path / "banks", "speech").clips}
    assert lengths == {SAMPLE_RATE // 2}


def test_a_checkpoint_comes_back_in_parts_and_can_be_resumed(tmp_path: Path) -> None:
    learner = Learner(build("hdemucs"), 4e-3, 1.5e-3)
    sound = torch.randn(1, 1, SAMPLE_RATE)
    learner.step(learner.model(sound).square().mean(), 0.5)
    whole = tmp_path / "last.pt"
    torch.save(learner.state() | {"network": "hdemucs", "step": 1}, whole)
    parts = bundle.split(whole, tmp_path / "back", limit=2_000_000)
    assert len(parts) > 1
    assert all(part.stat().st_size <= 2_000_000 for part in parts)
    assert sum(part.stat().st_size for part in parts) < 0.6 * whole.stat().st_size
    bundle.join(tmp_path / "back", tmp_path / "again" / "last.pt")
    content = torch.load(tmp_path / "again" / "last.pt", weights_only=True)
    resumed = Learner(build("hdemucs"), 4e-3, 1.5e-3)
    resumed.load(content)
    for name, value in learner.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    for old, new in zip(learner.muon.state.values(), resumed.muon.state.values(), strict=True):
        torch.testing.assert_close(new["momentum"], old["momentum"], rtol=1e-2, atol=1e-12)
    for lost in (parts[0], parts[1], parts[-1]):
        content = lost.read_bytes()
        lost.unlink()
        with pytest.raises(SystemExit, match="a part is missing"):
            bundle.join(tmp_path / "back", tmp_path / "broken.pt")
        lost.write_bytes(content[:1000] + bytes(1000) + content[2000:])
        with pytest.raises(SystemExit, match=r"a part is (missing|damaged)"):
            bundle.join(tmp_path / "back", tmp_path / "broken.pt")
        lost.write_bytes(content)
    with pytest.raises(SystemExit, match="no parts"):
        bundle.join(tmp_path, tmp_path / "broken.pt")
