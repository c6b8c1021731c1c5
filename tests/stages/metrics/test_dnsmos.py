"""DNSMOS: the numbers of its authors' code, and manners of our own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from speechclean.audio.waveform import Audio, resample
from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.onnx import Graph, session
from speechclean.stages.metrics import dnsmos, windows
from speechclean.stages.metrics.dnsmos_bak import DnsmosBackground
from speechclean.stages.metrics.dnsmos_ovrl import DnsmosOverall
from speechclean.stages.metrics.dnsmos_p808 import DnsmosP808
from speechclean.stages.metrics.dnsmos_sig import DnsmosSignal
from speechclean.stages.types import Separation, Track
from tests.stages.metrics.known_sounds import RATE, chord, mixed, voice
from tests.support.values import number

METRICS: list[Any] = [DnsmosSignal, DnsmosBackground, DnsmosOverall, DnsmosP808]
every_score = pytest.mark.parametrize("metric", METRICS)
#: Of a voice, alone and with a chord, for 3 s (repeated to 12 s), 9.01 s (one window) and 13.5 s
#: (four): `speechmos.dnsmos.run(sound, 16000)` of speechmos 0.0.1.1 with onnxruntime 1.32.0 and
#: librosa 0.11.0: sig_mos, bak_mos, ovrl_mos, p808_mos.
KNOWN = {
    (3.0, False): (3.0088, 2.4929, 2.1437, 2.6711),
    (3.0, True): (1.1993, 1.1978, 1.0492, 2.6167),
    (9.01, False): (2.9439, 2.3944, 2.1165, 2.7594),
    (9.01, True): (1.1807, 1.1631, 1.0622, 2.3999),
    (13.5, False): (3.0403, 2.6004, 2.2456, 2.8123),
    (13.5, True): (1.1802, 1.1776, 1.0594, 2.4203),
}


def sound(seconds: float, with_chord: bool = False) -> Audio:
    return mixed(voice(seconds), chord(seconds)) if with_chord else voice(seconds)


@pytest.mark.parametrize(("seconds", "with_chord"), KNOWN)
def test_numbers_of_the_published_code(
    separation: Any, track: Any, seconds: float, with_chord: bool
) -> None:
    heard = separation(sound(seconds, with_chord).waveform)
    values = [metric(hop_s=1, device="cpu")(heard, track()) for metric in METRICS]
    assert values == pytest.approx(KNOWN[seconds, with_chord], abs=1e-3)


def test_fewer_windows_say_much_the_same(separation: Any, track: Any) -> None:
    heard = separation(sound(13.5).waveform)
    values = [metric(device="cpu")(heard, track()) for metric in METRICS]
    assert values == pytest.approx(KNOWN[13.5, False], abs=0.1)


@every_score
def test_clean_speech_is_better_than_the_mixture(
    metric: Any, pilot: Sequence[tuple[Separation, Track]]
) -> None:
    for separated, track in pilot[:3]:
        assert track.reference is not None
        clean = separated.with_speech(
            track.reference.waveform.expand_as(separated.mixture.waveform)
        )
        assert number(metric()(clean, track)) > number(metric()(separated.before(), track)) + 0.1


@every_score
@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_rates_and_channels(metric: Any, separation: Any, track: Any, rate: int) -> None:
    there = resample(sound(9.01), rate)
    back = metric(device="cpu")(separation(resample(there, RATE).waveform), track())
    stereo = torch.cat([1.2 * there.waveform, 0.8 * there.waveform])
    assert metric(device="cpu")(separation(stereo, rate=rate), track()) == pytest.approx(
        back, abs=0.02
    )


@every_score
def test_no_number(metric: Any, separation: Any, track: Any, noise: Any) -> None:
    assert metric()(separation(torch.zeros(2, 200000)), track()) is None
    assert metric()(separation(torch.full((1, 16000), 1e-9)), track()) is None
    assert metric()(separation(noise(1, 3000)), track()) is None
    assert metric()(separation(noise(1, 16000).fill_(torch.nan)), track()) is None
    assert metric()(separation(noise(1, 4000)), track()) is not None


def test_windows_of_long_sounds() -> None:
    """A window each second as published, or fewer, the first and last of them among these."""
    assert dnsmos.window_starts(dnsmos.WINDOW, 1) == [0]
    assert dnsmos.window_starts(10 * RATE, 1) == [0]
    assert dnsmos.window_starts(round(13.5 * RATE), 1) == [0, RATE, 2 * RATE, 3 * RATE]
    every_second = dnsmos.window_starts(300 * RATE, 1)
    assert every_second == [second * RATE for second in range(291)]
    some = dnsmos.window_starts(300 * RATE, 4)
    assert len(some) == 74
    assert (some[0], some[-1]) == (0, 290 * RATE)
    assert max(b - a for a, b in itertools.pairwise(some)) <= 4 * RATE
    assert len(dnsmos.window_starts(13 * RATE, 8)) == 2


def test_short_sounds_are_repeated_and_loud_ones_brought_down() -> None:
    short = torch.arange(1.0, 60001.0) / 60000
    filled = dnsmos.filled(short)
    assert len(filled) == 240000
    assert torch.equal(filled, short.repeat(4))
    assert dnsmos.filled(4 * short).amax() == 1


def test_one_network_is_asked_once_for_three_scores(
    separation: Any, track: Any, noise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def judge(graph: Graph, batch: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
        asked.append(batch.shape)
        return torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64).expand(len(batch), 3)

    monkeypatch.setitem(dnsmos.NETWORKS, "p835", judge)
    heard = separation(noise(1, 20 * RATE, seed=77))
    assert [metric()(heard, track()) for metric in METRICS[:3]] == [1, 2, 3]
    assert asked == [(1, dnsmos.WINDOW)] * 5


def test_threads_hear_side_by_side_and_all_the_same() -> None:
    """Sounds that nothing remembers, so that each is heard."""
    sounds = [Audio(voice(2, 90 + 5 * index).waveform, RATE) for index in range(6)]
    dnsmos._memo._answers.clear()
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(DnsmosP808(device="cpu").opinions, sounds))
    dnsmos._memo._answers.clear()
    assert together == [DnsmosP808(device="cpu").opinions(one) for one in sounds]


def test_a_batch_of_windows_is_judged_as_each_alone() -> None:
    """As on a GPU: the answers come in the order of the windows, whatever the batch."""
    judge = dnsmos.NETWORKS["p808"]
    graph = session(DnsmosP808()._file, "cpu")
    long = voice(14).waveform[0]
    starts = [0, 16000, 50000, 70000, 79000]
    alone = torch.cat([judge(graph, long[None, s : s + dnsmos.WINDOW]) for s in starts])
    for size in (1, 2, 3, 16):
        values = windows.in_batches(
            lambda batch: judge(graph, batch), long, starts, dnsmos.WINDOW, size
        )
        assert torch.allclose(values, alone, atol=1e-5)
    assert len({round(float(value), 4) for value in alone}) == len(starts)


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x80\x04" * 100])
def test_a_file_that_is_no_graph_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.onnx: not a graph that ONNX Runtime can run"):
        session(tmp_path / "x.onnx", "cpu")


@every_score
def test_bad_arguments(metric: Any) -> None:
    with pytest.raises(ValueError, match="hop_s="):
        metric(hop_s=0)
    with pytest.raises(ValueError, match="batch_size="):
        metric(batch_size=0)
    with pytest.raises(ValueError, match="device="):
        metric(device="tpu?")
