"""Reading weights out of ONNX graphs: numbers or a refusal, whatever the bytes."""

from __future__ import annotations

import contextlib
import random
import struct

import pytest
import torch

from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.deepfilternet.onnx_graph import layers


def field(number: int, value: bytes | int) -> bytes:
    """One field of a protocol buffer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def tensor(name: str, shape: list[int], values: list[float]) -> bytes:
    dims = b"".join(field(1, size) for size in shape)
    raw = struct.pack(f"<{len(values)}f", *values)
    return dims + field(2, 1) + field(8, name.encode()) + field(9, raw)


def node(kind: str, inputs: list[str], output: str, attribute: bytes = b"") -> bytes:
    own = b"".join(field(1, one.encode()) for one in inputs)
    own += field(2, output.encode()) + field(4, kind.encode())
    return own + (field(5, attribute) if attribute else b"")


def model(*nodes: bytes, initialisers: tuple[bytes, ...] = ()) -> bytes:
    graph = b"".join(field(1, one) for one in nodes)
    return field(1, 7) + field(7, graph + b"".join(field(5, one) for one in initialisers))


SMALL = model(
    node("Constant", [], "inner", field(1, b"value") + field(5, tensor("", [3], [7, 8, 9]))),
    node("Relu", ["heard"], "a"),
    node("Conv", ["a", "weight", "bias"], "b"),
    node("GRU", ["b", "inner"], "c"),
    initialisers=(
        tensor("bias", [1], [0.5]),
        tensor("weight", [2, 300], [float(n) for n in range(600)]),
    ),
)  # fmt: skip


def test_weights_come_in_the_graphs_order() -> None:
    (conv, weights), (gru, inner) = layers(SMALL, ("Conv", "GRU"), "small")
    assert (conv, gru) == ("Conv", "GRU")
    assert torch.equal(weights[0], torch.arange(600.0).reshape(2, 300))
    assert weights[1].tolist() == [0.5]
    assert [one.tolist() for one in inner] == [[7, 8, 9]]


def test_packed_dimensions_are_read_too() -> None:
    packed = field(1, bytes([2, 3])) + field(2, 1) + field(8, b"w") + field(9, bytes(24))
    ((_, (weight,)),) = layers(
        model(node("Conv", ["w"], "a"), initialisers=(packed,)), ("Conv",), ""
    )
    assert weight.shape == (2, 3)


def test_what_is_no_graph_is_refused_by_name() -> None:
    for bad in (b"", b"<html>sign in</html>", SMALL[:-300], b"\x80" * 50, bytes(40)):
        with pytest.raises(CheckpointError, match=r"enc\.onnx: not an ONNX graph"):
            layers(bad, ("Conv",), "enc.onnx")


def test_whatever_the_bytes_nothing_else_is_raised() -> None:
    chance = random.Random(0)
    for _ in range(500):
        bad = bytearray(SMALL[:250])
        for _ in range(chance.randrange(1, 6)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        with contextlib.suppress(CheckpointError):
            layers(bytes(bad), ("Conv", "GRU"), "x")
