"""What is packed comes back bit by bit, or not at all."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechclean.networks.cache.packing import TornError, described, pack, unpack
from tests.conftest import noise


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().view(torch.int32)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=40))
def test_any_bits_come_back(words: list[int]) -> None:
    """NaN with its payload, -0, infinity and the smallest numbers among them."""
    tensor = torch.tensor(words, dtype=torch.int32).view(torch.float32)
    head, back = unpack(pack({"kind": "x"}, tensor))
    assert head["kind"] == "x"
    assert torch.equal(bits(back), bits(tensor))


@pytest.mark.parametrize("shape", [(2, 1, 999), (1,), (0,), (3, 0), (2, 2, 2)])
def test_shapes_come_back(shape: tuple[int, ...]) -> None:
    assert unpack(pack({}, torch.ones(shape)))[1].shape == shape


def test_a_view_is_packed_as_what_it_shows() -> None:
    whole = noise(0.1, channels=2).waveform
    assert torch.equal(unpack(pack({}, whole[:, 3:777:2]))[1], whole[:, 3:777:2])


def test_it_is_smaller_than_raw() -> None:
    sound = noise(2.0).waveform
    assert len(pack({}, sound)) < 0.9 * sound.numel() * 4


def test_nothing_torn_is_unpacked() -> None:
    packed = pack({"kind": "x"}, noise(0.02).waveform)
    for end in range(0, len(packed), 7):
        with pytest.raises(TornError):
            unpack(packed[:end])
    for place in range(0, len(packed), 5):
        flipped = bytearray(packed)
        flipped[place] ^= 16
        with pytest.raises(TornError):
            unpack(bytes(flipped))
    with pytest.raises(TornError):
        unpack(packed + b"\0")


def test_a_description_is_read_from_the_first_bytes() -> None:
    assert described(pack({"kind": "x"}, torch.ones(9))[:200])[0] == {"kind": "x", "shape": [9]}


def test_only_float32_is_taken() -> None:
    with pytest.raises(TypeError, match="float64"):
        pack({}, torch.ones(3, dtype=torch.float64))
