"""Batches of several segments: every answer reaches the file, shift and place that it belongs to.

On a CPU a separator makes batches of one, so schedules with larger batches are passed in. Sums of
another size round differently: answers are compared in dB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from speechclean.audio.sound_files import save
from speechclean.audio.stream import Forward, LongAudio
from speechclean.networks import checkpoints
from speechclean.networks.cache import DiskCache
from speechclean.stages.separators import engine, stream_engine
from speechclean.stages.separators.demucs import DemucsSeparator
from speechclean.stages.separators.network import Network
from speechclean.stages.separators.precision import snr_db
from speechclean.stages.separators.schedule import Schedule
from speechclean.stages.separators.segments import fingerprint
from tests.conftest import noise, tiny_hdemucs, tiny_htdemucs

RATE = 24000
#: Answers of the larger batches keep this over their difference to those of batches of one.
KEPT_DB = 90.0
#: Unlike in level and content; a fragment, one segment, several with a ragged tail.
SECONDS = (0.4, 5.1, 2.0, 3.3)


class Counted(torch.nn.Module):
    """A network that notes the sizes of its batches."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module
        self.sizes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)

    def forward(self, heard: Tensor) -> Tensor:
        self.sizes.append(len(heard))
        answer: Tensor = self.module(heard)
        return answer


def tiny_roformer() -> Any:
    pytest.importorskip("bs_roformer", reason="pip install 'speechclean[roformer]'")
    from speechclean.stages.separators.roformer_network import RoformerConfig, RoformerNetwork

    bands = (2,) * 24 + (4,) * 12 + (12,) * 8 + (24,) * 8 + (48,) * 8 + (128, 129)
    shape = {"dim": 8, "depth": 1, "heads": 2, "dim_head": 4, "stereo": False, "num_stems": 1}
    model = {**shape, "freqs_per_bands": bands, "mask_estimator_depth": 1}
    torch.manual_seed(6)
    config = RoformerConfig(Path("none.yaml"), model, ("vocals",), "other", RATE, RATE)
    return RoformerNetwork(config)


FAMILIES: dict[str, Callable[[], Any]] = {
    "htdemucs": tiny_htdemucs,
    "hdemucs": tiny_hdemucs,
    "roformer": tiny_roformer,
}


def network(family: str, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    module = checkpoints.freeze(FAMILIES[family]())
    segment = int(float(module.segment) * RATE)  # type: ignore[arg-type]
    return Network(Counted(module), (1.0, 1.0), segment, f"{family}{seed}")


def sounds() -> list[Tensor]:
    return [
        noise(seconds, RATE, level=0.2 + 0.3 * index, seed=index).waveform
        for index, seconds in enumerate(SECONDS)
    ]


@torch.inference_mode()
def answers(
    networks: Sequence[Network], waveforms: list[Tensor], schedule: Schedule, **more: Any
) -> list[Tensor]:
    contents = [fingerprint(waveform) for waveform in waveforms]
    return engine.run(networks, waveforms, contents, schedule, **more)


def agree(expected: Sequence[Tensor], found: Sequence[Tensor]) -> None:
    for index, (one, other) in enumerate(zip(expected, found, strict=True)):
        assert one.shape == other.shape
        for part, name in enumerate(("speech", "others")):
            assert snr_db(one[part], other[part]) > KEPT_DB, (index, name)


@pytest.mark.parametrize("shifts", [0, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_batches_answer_as_single_segments_do(family: str, shifts: int) -> None:
    one, waveforms = network(family), sounds()
    alone = [answers([one], [waveform], Schedule(shifts, 0.25, 1, 0))[0] for waveform in waveforms]
    assert set(one.module.sizes) == {1}
    for size in (2, 3, 5):
        one.module.sizes.clear()
        agree(alone, answers([one], waveforms, Schedule(shifts, 0.25, size, 0)))
        assert max(one.module.sizes) == size, "no batch was as large as it may be"


def test_a_bag_of_unlike_networks_in_batches() -> None:
    bag = [network("htdemucs", 1), network("hdemucs", 2)]
    waveforms = sounds()
    alone = [answers(bag, [waveform], Schedule(2, 0.25, 1, 0))[0] for waveform in waveforms]
    for size in (2, 4):
        agree(alone, answers(bag, waveforms, Schedule(2, 0.25, size, 0)))
        agree(alone[::-1], answers(bag, waveforms[::-1], Schedule(2, 0.25, size, 0)))


def test_batches_on_several_threads() -> None:
    one, waveforms = network("htdemucs"), sounds()
    expected = answers([one], waveforms, Schedule(3, 0.25, 3, 0))
    torch.set_num_threads(3)
    try:
        found = answers([one], waveforms, Schedule(3, 0.25, 3, 0))
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_a_batch_of_which_some_estimates_are_cached(tmp_path: Path) -> None:
    one, waveforms = network("htdemucs"), sounds()
    schedule = Schedule(3, 0.25, 4, 0)
    expected = [answers([one], [waveform], Schedule(3, 0.25, 1, 0))[0] for waveform in waveforms]
    cache = DiskCache(tmp_path, 10**9)
    answers([one], waveforms[1:2], Schedule(1, 0.25, 1, 0), cache=cache)
    answers([one], waveforms[2:], Schedule(2, 0.25, 3, 0), cache=cache)
    agree(expected, answers([one], waveforms, schedule, cache=cache))
    assert cache.tally.found == 1 + 2 * 2
    agree(expected, answers([one], waveforms, schedule, cache=cache))


@torch.inference_mode()
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_stream_in_batches_answers_as_a_whole_does(family: str, size: int) -> None:
    one = network(family)
    waveform = noise(9.7, RATE, level=0.5, seed=3).waveform
    waveform *= torch.linspace(0.2, 1, waveform.shape[-1])
    (expected,) = answers([one], [waveform], Schedule(2, 0.25, 1, 0))
    schedule = Schedule(2, 0.25, size, 0)
    one.module.sizes.clear()
    passes = [
        torch.cat(
            list(
                stream_engine.one_pass(
                    one,
                    Forward(chunks(waveform), one.segment),
                    waveform.shape[-1],
                    offset,
                    schedule,
                )
            ),
            -1,
        )
        for offset in schedule.offsets(one, fingerprint(waveform))
    ]
    agree([expected], [torch.stack(passes).mean(0)])
    assert max(one.module.sizes) == size


def chunks(waveform: Tensor) -> Iterator[Tensor]:
    yield from waveform.split(7001, -1)


@pytest.mark.parametrize("accompaniment", ["residual", "stems"])
@pytest.mark.parametrize("name", ["one", "two", pytest.param("heavy", marks=pytest.mark.slow)])
def test_a_separator_with_a_schedule_of_larger_batches(
    models: Path, name: str, accompaniment: str
) -> None:
    """Channels, rates and lengths of all kinds, in one call."""
    mixtures = [
        noise(0.6, 48000, channels=2, seed=1),
        noise(4.1, 24000, level=0.3, seed=2),
        noise(2.2, 16000, level=0.7, channels=3, seed=3),
        noise(2.0, 24000, level=0.05, channels=2, seed=4),
    ]
    knobs: dict[str, Any] = {"shifts": 2, "accompaniment": accompaniment, "device": "cpu"}
    single = DemucsSeparator(name, str(models), **knobs)
    batched = DemucsSeparator(name, str(models), **knobs)
    with_batches(batched, 5)
    for mixture, stems in zip(mixtures, batched(mixtures), strict=True):
        (alone,) = single([mixture])
        agree(
            [torch.stack([alone.speech.waveform, alone.music.waveform])],
            [torch.stack([stems.speech.waveform, stems.music.waveform])],
        )


@pytest.mark.parametrize("channels", [1, 2])
def test_a_separators_stream_in_batches(models: Path, channels: int, tmp_path: Path) -> None:
    mixture = noise(6.3, 24000, level=0.1, channels=channels, seed=5)
    save(mixture, tmp_path / "long.wav", "FLOAT")
    knobs: dict[str, Any] = {"shifts": 2, "device": "cpu"}
    (whole,) = DemucsSeparator("two", str(models), **knobs)([mixture])
    batched = DemucsSeparator("two", str(models), **knobs)
    with_batches(batched, 3)
    found = torch.cat(list(batched.stream(LongAudio.of(tmp_path / "long.wav"))), -1)
    agree([torch.stack([whole.speech.waveform, whole.music.waveform])], [found])


def with_batches(separator: DemucsSeparator, size: int) -> None:
    """Let a separator on a CPU make batches, which it would not do by itself."""
    speech_only = separator.accompaniment == "residual"
    separator.__dict__["_schedule"] = Schedule(
        separator.shifts, separator.overlap, size, separator.seed, speech_only
    )
