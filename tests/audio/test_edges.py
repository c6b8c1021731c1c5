"""Context beyond the ends: reflected, the same as a stream, and cut off again to the sample."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from speechclean.audio import edges
from tests.conftest import noise

EXTRA = (0, 1, 7, 100, 4000)
SAMPLES = (1, 2, 3, 100, 101, 5000)


def chunks(waveform: Tensor, size: int) -> Iterator[Tensor]:
    yield from waveform.split(size, -1)


@pytest.mark.parametrize("extra", EXTRA)
@pytest.mark.parametrize("samples", SAMPLES)
def test_numpy_reflects_the_same(samples: int, extra: int) -> None:
    waveform = noise(1.0, channels=2).waveform[:, :samples]
    expected = np.pad(waveform.numpy(), ((0, 0), (extra, extra)), "reflect")
    assert np.array_equal(edges.extended(waveform, extra).numpy(), expected)


def test_what_is_skipped_is_not_reflected() -> None:
    """A sound that is faded at its ends goes on at its level."""
    waveform = torch.ones(1, 5000)
    waveform[:, :40], waveform[:, -40:] = torch.linspace(0, 1, 40), torch.linspace(1, 0, 40)
    longer = edges.extended(waveform, 1000, 40)
    assert torch.equal(longer[:, 1000:-1000], waveform)
    assert longer[:, :1000].eq(1).all()
    assert longer[:, -1000:].eq(1).all()
    ramp = torch.arange(100.0)[None]
    assert edges.extended(ramp, 3, 10)[0, :3].tolist() == [13, 12, 11]
    assert edges.extended(ramp, 3, 10)[0, -3:].tolist() == [88, 87, 86]
    assert edges.extended(ramp[:, :9], 2, 10)[0, -2:].tolist() == [6, 5], "an eighth at most"


def test_torch_reflects_the_same() -> None:
    waveform = noise(0.5).waveform
    expected = functional.pad(waveform, (9000, 9000), mode="reflect")
    assert torch.equal(edges.extended(waveform, 9000), expected)


@pytest.mark.parametrize("extra", EXTRA)
@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("size", [1, 99, 100000])
@pytest.mark.parametrize("skip", [0, 13, 400])
def test_a_stream_is_extended_to_the_same_samples(
    samples: int, extra: int, size: int, skip: int
) -> None:
    if size == 1 and samples > 1000:
        pytest.skip("slow, and nothing new")
    waveform = noise(1.0, channels=2).waveform[:, :samples]
    whole = edges.extended(waveform, extra, skip)
    pieces = list(edges.extended_stream(chunks(waveform, size), extra, skip))
    assert torch.equal(torch.cat(pieces, -1), whole)
    again = list(edges.inner(chunks(whole, size), extra, samples))
    assert torch.equal(torch.cat(again, -1), waveform)


def test_no_context_is_the_sound_itself() -> None:
    waveform = noise().waveform
    assert edges.extended(waveform, 0) is waveform


def test_of_nothing_there_is_silence() -> None:
    assert torch.equal(edges.extended(torch.zeros(2, 0), 3), torch.zeros(2, 6))
    assert list(edges.extended_stream(iter([]), 3)) == []


@pytest.mark.parametrize("wrong", [-0.1, 11.0, float("nan")])
def test_lengths_that_make_no_sense(wrong: float) -> None:
    with pytest.raises(ValueError, match="edge_context_s"):
        edges.check(wrong)
