"""Clips and shifts of like length share passes; what an input is given hangs on itself alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from speechclean.audio import edges
from speechclean.audio.stream import Forward
from speechclean.experiment.config.compose import composed
from speechclean.networks.cache import DiskCache
from speechclean.stages.separators import engine, stream_engine
from speechclean.stages.separators.demucs import DemucsSeparator
from speechclean.stages.separators.network import Network
from speechclean.stages.separators.precision import snr_db
from speechclean.stages.separators.schedule import CUDA_STEP_S, Schedule
from speechclean.stages.separators.segments import Segment, fingerprint
from tests.conftest import noise

from .test_engine import RATE, answers, network

#: Larger batches in one scheme keep this over their difference to batches of one.
KEPT_DB = 100.0
#: No two alike; with their shifts they fall into three multiples of a second.
SECONDS = (1.1, 1.23, 1.31, 1.37, 1.52, 0.7)


def stepped(size: int, shifts: int = 2, step_s: float = 1.0) -> Schedule:
    return Schedule(shifts, 0.25, size, 0, edge_context_s=0.1, length_step_s=step_s)


def clips() -> list[Tensor]:
    return [noise(one, RATE, level=0.4, seed=index).waveform for index, one in enumerate(SECONDS)]


def test_lengths_are_multiples_and_no_more_than_a_segment() -> None:
    one = network("hdemucs")
    assert one.segment == 2 * RATE
    lengths = [one.input_length(Segment(0, int(s * RATE)), RATE) for s in (0.5, 1.0, 1.01, 1.9, 2)]
    assert lengths == [RATE, RATE, 2 * RATE, 2 * RATE, 2 * RATE]
    odd = int(0.8 * RATE)
    assert one.input_length(Segment(0, int(1.7 * RATE)), odd) == 2 * RATE, "longer than a segment"
    assert one.input_length(Segment(0, 12345)) == 12345
    transformer = network("htdemucs")
    whole = int(transformer.module.segment * RATE)
    assert transformer.input_length(Segment(0, RATE // 3), RATE) == whole


def test_unlike_clips_and_shifts_share_passes() -> None:
    one = network("hdemucs")
    answers([one], clips(), stepped(5, step_s=0.0))
    passes, segments = len(one.module.sizes), sum(one.module.sizes)
    one.module.sizes.clear()
    answers([one], clips(), stepped(5))
    assert max(one.module.sizes) == 5
    assert sum(one.module.sizes) == segments
    assert len(one.module.sizes) <= passes / 2, "most have a length of their own without a step"


@pytest.mark.parametrize("size", [2, 5])
def test_larger_batches_answer_as_batches_of_one(size: int) -> None:
    one, waveforms = network("hdemucs"), clips()
    alone = [answers([one], [waveform], stepped(1))[0] for waveform in waveforms]
    for expected, found in zip(alone, answers([one], waveforms, stepped(size)), strict=True):
        assert snr_db(expected, found) > KEPT_DB


def test_company_changes_no_bit_of_a_batch_of_one() -> None:
    one, waveforms = network("hdemucs"), clips()
    alone = [answers([one], [waveform], stepped(1))[0] for waveform in waveforms]
    both = zip(alone, answers([one], waveforms, stepped(1)), strict=True)
    assert all(torch.equal(expected, found) for expected, found in both)


@torch.inference_mode()
def test_a_stream_is_given_what_a_whole_is() -> None:
    one, waveform = network("hdemucs"), noise(4.3, RATE, level=0.5, seed=3).waveform
    schedule = stepped(2)
    (expected,) = answers([one], [waveform], schedule)
    (unstepped,) = answers([one], [waveform], stepped(2, step_s=0.0))
    beyond = schedule.edge_context(one) + schedule.reach(one)
    passes = []
    for offset in schedule.offsets(one, fingerprint(waveform)):
        heard = edges.extended_stream(iter(waveform.split(7001, -1)), beyond, edges.skipped(RATE))
        source = Forward(heard, one.segment)
        pieces = stream_engine.one_pass(one, source, waveform.shape[-1], offset, schedule)
        passes.append(torch.cat(list(pieces), -1))
    mean = torch.stack(passes).mean(0)
    assert snr_db(expected, mean) > KEPT_DB
    assert snr_db(unstepped, mean) < 60, "the last segments are given the same either way"


def test_another_step_is_another_estimate(tmp_path: Path) -> None:
    one, waveforms = network("hdemucs"), clips()[:2]
    cache = DiskCache(tmp_path, 10**9)
    for step_s, found in ((0.0, 0), (1.0, 0), (1.0, 4), (0.0, 8)):
        answers([one], waveforms, stepped(1, step_s=step_s), cache=cache)
        assert cache.tally.found == found


@pytest.mark.parametrize(
    ("device", "gpu", "expected"),
    [
        ("cpu", True, 0.0),
        ("auto", False, 0.0),
        ("auto", True, CUDA_STEP_S),
        ("cuda:1", True, CUDA_STEP_S),
        ("cuda", False, 0.0),
        ("toaster", True, 0.0),
    ],
)
def test_what_suits_a_device(
    device: str, gpu: bool, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config has the number, so that a record of a GPU is repeated alike on a CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    cfg = composed(["separators=[embedded_hdemucs36]", f"device={device}"])
    assert cfg.separators.embedded_hdemucs36.length_step_s == expected


def test_a_network_of_fixed_length_is_given_the_same_whatever_the_step() -> None:
    one, waveforms = network("htdemucs"), clips()[:2]
    expected = answers([one], waveforms, stepped(1, step_s=0.0))
    both = zip(expected, answers([one], waveforms, stepped(1)), strict=True)
    assert all(torch.equal(alone, found) for alone, found in both)


def test_a_separator_takes_the_step(models: Path) -> None:
    audio = noise(1.3, 24000)
    own, padded = (
        DemucsSeparator("two", str(models), device="cpu", length_step_s=step_s)([audio])[0]
        for step_s in (0.0, 1.0)
    )
    assert not torch.equal(own.speech.waveform, padded.speech.waveform)
    with pytest.raises(ValueError, match="length_step_s=-1 must be"):
        DemucsSeparator("two", str(models), length_step_s=-1)


def test_a_bag_of_two_has_batches_of_each() -> None:
    bag: list[Network] = [network("hdemucs", 1), network("hdemucs", 2)]
    contents = [fingerprint(waveform) for waveform in clips()]
    alone = [answers(bag, [waveform], stepped(1))[0] for waveform in clips()]
    with torch.inference_mode():
        found = engine.run(bag, clips(), contents, stepped(5))
    for expected, one in zip(alone, found, strict=True):
        assert snr_db(expected, one) > KEPT_DB
