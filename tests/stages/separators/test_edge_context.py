"""What networks hear beyond the ends of a sound changes nothing else: neither the offsets of the
shifts, nor batches, order, streams and what is cached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from speechclean.audio import edges
from speechclean.audio.sound_files import save
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio
from speechclean.networks.cache import DiskCache
from speechclean.stages.separators import engine
from speechclean.stages.separators.demucs import DemucsSeparator
from speechclean.stages.separators.network import Network
from speechclean.stages.separators.schedule import Schedule
from speechclean.stages.separators.segments import fingerprint
from tests.conftest import level_db, noise
from tests.stages.separators.test_engine import FAMILIES, RATE, agree, network

#: Within a segment, about a segment, and longer than most of the sounds.
CONTEXTS = (0.05, 0.5, 2.1)
#: Of one sample, of a fragment, of several segments.
SAMPLES = (1, 500, 9600, 80011)


def schedule(context_s: float, shifts: int = 2, size: int = 1) -> Schedule:
    return Schedule(shifts, 0.25, size, 0, edge_context_s=context_s)


@torch.inference_mode()
@pytest.mark.parametrize("shifts", [0, 2])
@pytest.mark.parametrize(
    "context_s", [*CONTEXTS[:2], pytest.param(CONTEXTS[2], marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_a_longer_sound_whose_answer_is_cut(
    family: str, context_s: float, shifts: int
) -> None:
    """To the bit, under the offsets of the sound itself."""
    one, extra = network(family), round(context_s * RATE)
    for samples in SAMPLES:
        waveform = noise(4.0, RATE, 0.5, seed=samples).waveform[:, :samples]
        longer, content = (
            edges.extended(waveform, extra, edges.skipped(RATE)),
            [fingerprint(waveform)],
        )
        (expected,) = engine.run([one], [longer], content, schedule(0.0, shifts))
        (found,) = engine.run([one], [waveform], content, schedule(context_s, shifts))
        assert torch.equal(found, expected[..., extra : extra + samples])


def test_offsets_are_those_without_it() -> None:
    one = network("htdemucs")
    assert schedule(0.5).offsets(one, "content") == schedule(0.0).offsets(one, "content")


@pytest.mark.parametrize("offset", [None, 0, 7000, 12000])
def test_no_segment_lies_in_a_context_alone(offset: int | None) -> None:
    one, extra = network("hdemucs"), round(2.1 * RATE)
    for samples in SAMPLES:
        plan = schedule(2.1).plan(one, samples, offset)
        covered = torch.zeros(samples + 2 * extra, dtype=torch.bool)
        for segment in plan:
            covered[max(0, segment.start) : segment.start + segment.length] = True
            assert segment.start < extra + samples
            assert segment.start + segment.length > extra
        assert covered[extra : extra + samples].all()


@torch.inference_mode()
@pytest.mark.parametrize("family", FAMILIES)
def test_batches_and_order_do_not_matter(family: str) -> None:
    one = network(family)
    waveforms = [noise(4.0, RATE, 0.5, seed=n).waveform[:, :n] for n in SAMPLES[1:]]
    contents = [fingerprint(waveform) for waveform in waveforms]
    alone = [
        engine.run([one], [waveform], [content], schedule(0.5))[0]
        for waveform, content in zip(waveforms, contents, strict=True)
    ]
    together = engine.run([one], waveforms[::-1], contents[::-1], schedule(0.5))[::-1]
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
    agree(alone, engine.run([one], waveforms, contents, schedule(0.5, size=3)))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", ["one", "two"])
def test_a_stream_hears_the_same(models: Path, name: str, channels: int, tmp_path: Path) -> None:
    for samples in (2, *SAMPLES[1:]):
        whole = noise(4.0, RATE, 0.1, channels, seed=5)
        mixture = whole.with_waveform(whole.waveform[:, :samples])
        save(mixture, tmp_path / "long.wav", "FLOAT")
        one = DemucsSeparator(name, str(models), shifts=2, device="cpu", edge_context_s=0.5)
        (stems,) = one([mixture])
        found = torch.cat(list(one.stream(LongAudio.of(tmp_path / "long.wav"))), -1)
        expected = torch.stack([stems.speech.waveform, stems.music.waveform])
        assert (found - expected).abs().max() <= 1e-6


def test_silence_stays_silent(models: Path, tmp_path: Path) -> None:
    one = DemucsSeparator("two", str(models), device="cpu", edge_context_s=0.5)
    silent = Audio(torch.zeros(1, 30000), RATE)
    save(silent, tmp_path / "silent.wav", "FLOAT")
    (stems,) = one([silent])
    assert not stems.speech.waveform.any()
    streamed = torch.cat(list(one.stream(LongAudio.of(tmp_path / "silent.wav"))), -1)
    assert not streamed.any()


def test_an_estimate_is_cached_without_its_context(models: Path, tmp_path: Path) -> None:
    cache, clip = DiskCache(tmp_path, 10**9), noise(1.3, RATE)
    one = DemucsSeparator("one", str(models), device="cpu", edge_context_s=0.5)
    (first,), (again,) = one.reusing(cache)([clip]), one.reusing(cache)([clip])
    (plain,) = one([clip])
    assert cache.tally.found == 1
    assert torch.equal(first.speech.waveform, plain.speech.waveform)
    assert torch.equal(again.speech.waveform, plain.speech.waveform)


class Startled(torch.nn.Module):
    """Takes for speech what is less than a twentieth of a second from silence or from the end."""

    sources, samplerate, audio_channels, nfft = ("music", "speech"), RATE, 1, 64

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.ones(1))

    def forward(self, heard: Tensor) -> Tensor:
        silent = functional.pad((heard == 0).float(), (1200, 1200), value=1.0)
        near = functional.max_pool1d(silent, 2401, 1)
        return torch.stack([(1 - near) * heard, near * heard], 1) * self.factor


@torch.inference_mode()
def test_a_network_that_fears_silence_hears_none() -> None:
    one = Network(Startled(), (1.0, 1.0), 4 * RATE, "startled")
    music = noise(6.0, RATE).waveform

    def at_the_ends(**knobs: Any) -> tuple[float, float]:
        (answer,) = engine.run([one], [music], ["content"], Schedule(1, 0.25, 1, 0, **knobs))
        return level_db(answer[0][:, :1000]), level_db(answer[0][:, -1000:])

    assert min(at_the_ends()) > level_db(music) - 6
    assert max(at_the_ends(edge_context_s=0.5)) == float("-inf")
