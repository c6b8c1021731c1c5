"""The weights of an ONNX graph, read without any ONNX library.

A file is a protocol buffer (https://protobuf.dev/programming-guides/encoding): fields of a number,
a kind and a value, nested. Field numbers are those of onnx.proto: a model's graph is 7; a graph's
nodes are 1, its initialisers 5; a node's inputs are 1, its outputs 2, its kind 4, its attributes 5;
an attribute's tensor is 5; a tensor's dimensions are 1, its type 2, its name 8, its bytes 9.
Nothing of a file is run: what comes out are numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from speechclean.networks.checkpoints import CheckpointError

_FLOAT = 1
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5

Field = tuple[int, int | bytes]


def layers(model: bytes, kinds: tuple[str, ...], name: str) -> list[tuple[str, list[Tensor]]]:
    """The kind and weights of every node that is of one of `kinds`, in the graph's order.

    A node's weights are those of its inputs that stand in the file. `name` is for the errors.
    Raises `CheckpointError`.
    """
    try:
        return list(_layers(model, kinds))
    except (IndexError, OverflowError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise CheckpointError(f"{name}: not an ONNX graph ({error})") from error


def _layers(model: bytes, kinds: tuple[str, ...]) -> Iterator[tuple[str, list[Tensor]]]:
    (graph,) = _all(_fields(model), 7)
    content = list(_fields(graph))
    known = dict(_tensor(one) for one in _all(content, 5))
    for node in _all(content, 1):
        parts = list(_fields(node))
        inputs, outputs = ([one.decode() for one in _all(parts, number)] for number in (1, 2))
        kind = b"".join(_all(parts, 4)).decode()
        if kind == "Constant":
            for attribute in _all(parts, 5):
                for value in _all(_fields(attribute), 5):
                    known[outputs[0]] = _tensor(value)[1]
        if kind in kinds:
            yield kind, [tensor for one in inputs if (tensor := known.get(one)) is not None]


def _tensor(message: bytes) -> tuple[str, Tensor | None]:
    """The name and values of a tensor; None for one that is not of 32-bit floats."""
    parts = list(_fields(message))
    shape: list[int] = []
    for number, value in parts:
        if number == 1:
            shape += [value] if isinstance(value, int) else _varints(value)
    name = b"".join(_all(parts, 8)).decode()
    if (2, _FLOAT) not in parts:
        return name, None
    values = np.frombuffer(b"".join(_all(parts, 9)), "<f4").reshape(shape)
    return name, torch.from_numpy(values.copy())


def _all(fields: Iterator[Field] | list[Field], number: int) -> list[bytes]:
    return [value for one, value in fields if one == number and isinstance(value, bytes)]


def _fields(message: bytes) -> Iterator[Field]:
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        value: int | bytes
        if kind == _VARINT:
            value, at = _varint(message, at)
        elif kind in (_EIGHT, _BYTES, _FOUR):
            size, at = _varint(message, at) if kind == _BYTES else ({_EIGHT: 8, _FOUR: 4}[kind], at)
            value = message[at : at + size]
            if len(value) < size:
                raise ValueError(f"it breaks off at byte {at}")
            at += size
        else:
            raise ValueError(f"a field of the unknown kind {kind} at byte {at}")
        yield tag >> 3, value


def _varints(packed: bytes) -> list[int]:
    values, at = [], 0
    while at < len(packed):
        value, at = _varint(packed, at)
        values.append(value)
    return values


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first; where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
