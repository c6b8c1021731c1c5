"""DistillMOS: the numbers of its authors' code, and manners of our own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from speechclean.audio.waveform import Audio, resample
from speechclean.networks.checkpoints import CheckpointError
from speechclean.stages.metrics import distillmos, distillmos_network, windows
from speechclean.stages.metrics.distillmos import DistillMos
from speechclean.stages.types import Separation, Track
from tests.stages.metrics.known_sounds import RATE, chord, mixed, voice
from tests.support.values import number

#: Of a voice, alone and with a chord, for 3 s (followed by silence), 9.01 s (three windows) and
#: 13.5 s (seven): `ConvTransformerSQAModel()(sound)` of distillmos 0.9.1 with torch 2.11.0.
KNOWN = {
    (3.0, False): 1.4816,
    (3.0, True): 1.4274,
    (9.01, False): 1.2684,
    (9.01, True): 1.2491,
    (13.5, False): 1.2688,
    (13.5, True): 1.2415,
}


def sound(seconds: float, with_chord: bool = False) -> Audio:
    return mixed(voice(seconds), chord(seconds)) if with_chord else voice(seconds)


@pytest.mark.parametrize(("seconds", "with_chord"), KNOWN)
def test_numbers_of_the_published_code(
    separation: Any, track: Any, seconds: float, with_chord: bool
) -> None:
    heard = separation(sound(seconds, with_chord).waveform)
    value = DistillMos(hop_s=1.0, device="cpu")(heard, track())
    assert value == pytest.approx(KNOWN[seconds, with_chord], abs=1e-3)


def test_clean_speech_is_better_than_the_mixture(
    pilot: Sequence[tuple[Separation, Track]],
) -> None:
    for separated, track in pilot[:3]:
        assert track.reference is not None
        clean = separated.with_speech(
            track.reference.waveform.expand_as(separated.mixture.waveform)
        )
        before = number(DistillMos()(separated.before(), track))
        assert number(DistillMos()(clean, track)) > before + 0.1


def test_rates_channels_and_levels(separation: Any, track: Any) -> None:
    known = DistillMos(device="cpu")(separation(sound(7).waveform), track())
    for rate in (24000, 44100):
        there = resample(sound(7), rate).waveform
        stereo = torch.cat([1.2 * there, 0.8 * there])
        value = DistillMos(device="cpu")(separation(0.1 * stereo, rate=rate), track())
        assert value == pytest.approx(known, abs=0.02)


def test_no_number(separation: Any, track: Any, noise: Any) -> None:
    assert DistillMos()(separation(torch.zeros(2, 200000)), track()) is None
    assert DistillMos()(separation(torch.full((1, 16000), 1e-9)), track()) is None
    assert DistillMos()(separation(noise(1, 3000)), track()) is None
    assert DistillMos()(separation(noise(1, 16000).fill_(torch.nan)), track()) is None
    assert DistillMos()(separation(noise(1, 4000)), track()) is not None


@pytest.mark.parametrize(
    ("seconds", "hop_s", "expected"),
    [(7.68, 3.0, [0]), (7.7, 3.0, [0, 0.02]), (10.68, 3.0, [0, 3]), (11.68, 3.0, [0, 2, 4])],
)
def test_windows_are_spread_evenly(
    separation: Any,
    track: Any,
    noise: Any,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    hop_s: float,
    expected: list[float],
) -> None:
    heard = noise(1, round(seconds * RATE))
    seen: list[torch.Tensor] = []

    def judge(batch: torch.Tensor) -> torch.Tensor:
        seen.extend(batch)
        return torch.full((len(batch), 1), 1.0 + len(seen))

    monkeypatch.setattr(distillmos, "load", lambda path, device: judge)  # noqa: ARG005
    value = DistillMos(hop_s=hop_s, device="cpu")(separation(heard), track())
    places = [round(place * RATE) for place in expected]
    assert value == 1 + (1 + len(places)) / 2
    for window, place in zip(seen, places, strict=True):
        assert torch.equal(window, heard[0, place : place + distillmos_network.WINDOW])


def test_a_batch_of_windows_is_judged_as_each_alone() -> None:
    network = distillmos_network.load(DistillMos()._file, "cpu")
    long = mixed(voice(20), chord(20)).waveform[0]
    starts = [0, 50000, 120000, 190000]
    with torch.inference_mode():
        alone = torch.cat([network(long[None, s : s + distillmos_network.WINDOW]) for s in starts])
        batch = windows.in_batches(network, long, starts, distillmos_network.WINDOW, 3)
    assert torch.allclose(batch, alone, atol=1e-5)


class Attack:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def test_files_are_data(tmp_path: Path) -> None:
    torch.save({"model": Attack(f"touch {tmp_path}/ran")}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="refused"):
        distillmos_network.load(tmp_path / "x.pt", "cpu")
    assert not (tmp_path / "ran").exists()
    torch.save({"model": {"x": torch.zeros(1)}}, tmp_path / "y.pt")
    with pytest.raises(CheckpointError, match="not a checkpoint of DistillMOS"):
        distillmos_network.load(tmp_path / "y.pt", "cpu")


@pytest.mark.parametrize("arguments", [{"hop_s": 0.0}, {"hop_s": 8.0}, {"batch_size": 0}])
def test_bad_arguments(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        DistillMos(**arguments)
