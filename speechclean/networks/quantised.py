"""States that DiffQ quantised, decoded without the package that wrote them.

Défossez, Adi & Synnaeve, "Differentiable Model Compression via Pseudo Quantization Noise", TMLR
2022. A weight is one of 2^b levels between the least and the greatest of its tensor, b the same
for the whole tensor (uniform quantisation) or of each group of its weights (DiffQ). The numbers of
levels lie in planes of bits, one for the lowest bit of all numbers, one for the next. Small
tensors are kept as they are, or in half precision. The package diffq is CC-BY-NC; to read what it
wrote, as the networks that are shipped here, nothing of it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from typing import Any

import torch
from torch import Tensor

#: What diffq 0.2.4 has where the file does not say.
_LEAST_MB, _UNIFORM_BITS, _GROUP, _LEAST_BITS = 0.01, 8.0, 1, 2


class DiffQuantizer:
    """Stands for diffq's class of this name in a file: bits of each group of weights."""


class UniformQuantizer:
    """Stands for diffq's class of this name in a file: bits of the whole network."""


#: By the names that files have for them.
CLASSES = {
    "diffq.diffq.DiffQuantizer": DiffQuantizer,
    "diffq.uniform.UniformQuantizer": UniformQuantizer,
}


def restore(model: torch.nn.Module, state: Mapping[str, Any]) -> None:
    """Write a quantised state into the parameters of a network.

    Raises `ValueError` for a state that is another network's, or no such state.
    """
    meta = state["meta"]
    settings: Mapping[str, Any] = meta["init_kwargs"]
    if meta["klass"] not in CLASSES.values():
        raise ValueError(f"{meta['klass']!r} is no quantiser that can be read")
    small, large = _sorted(model, settings)
    kept = state["float16"] if settings.get("float16") else state["others"]
    for parameter, value in _pairs(small, kept):
        parameter.data.copy_(value.to(parameter))
    decode = _diffq if meta["klass"] is DiffQuantizer else _uniform
    for parameter, value in _pairs(large, state["quantized"]):
        decoded = decode(parameter, value, settings, bool(meta.get("packed")))
        parameter.data.copy_(decoded.view_as(parameter))


def _sorted(
    model: torch.nn.Module, settings: Mapping[str, Any]
) -> tuple[list[Tensor], list[Tensor]]:
    """The parameters that were left as they are, and those that were quantised, each once."""
    least = settings.get("min_size", _LEAST_MB) * 2**20 // 4
    small, large = [], []
    left: set[int] = set()
    quantised: set[int] = set()
    once = settings.get("detect_bound", True)
    for name, parameter in _named(model):
        own = name.rpartition(".")[2]
        excluded = any(
            fnmatch(name, pattern) or fnmatch(own, pattern)
            for pattern in settings.get("exclude") or []
        )
        if parameter.numel() <= least or excluded:
            if id(parameter) not in left | quantised:
                small.append(parameter)
                left |= {id(parameter)} if once else set()
        elif id(parameter) not in quantised:
            large.append(parameter)
            quantised |= {id(parameter)} if once else set()
    return small, large


def _named(model: torch.nn.Module) -> Iterator[tuple[str, Tensor]]:
    """All parameters, a shared one once for each module that has it."""
    for place, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            yield f"{place}.{name}", parameter


def _pairs(parameters: Sequence[Tensor], values: Sequence[Any]) -> Iterator[tuple[Tensor, Any]]:
    if len(parameters) != len(values):
        raise ValueError(
            f"{len(values)} tensors are stored, and the network has {len(parameters)} of their kind"
        )
    return zip(parameters, values, strict=True)


def _uniform(parameter: Tensor, value: Any, settings: Mapping[str, Any], packed: bool) -> Tensor:
    levels, scale = value
    if packed:
        levels = _numbers(levels, parameter.numel())
    return _weights(levels, scale, torch.tensor(float(settings.get("bits", _UNIFORM_BITS))))


def _diffq(parameter: Tensor, value: Any, settings: Mapping[str, Any], packed: bool) -> Tensor:
    levels, scale, bits = value
    if packed:
        size = settings.get("group_size", _GROUP) or parameter.numel()  # 0: the tensor is one group
        groups = parameter.numel() // size
        bits = _numbers(bits, groups) + settings.get("min_bits", _LEAST_BITS)
        if bits.max() > len(levels):  # diffq 0.2.4 has places for 14 bits, and chooses up to 15
            raise ValueError(f"groups of {int(bits.max())} bits were lost when this was packed")
        levels = _by_bits(levels, bits, size)
    return _weights(levels, scale, bits.reshape(-1, 1))


def _by_bits(planes: Sequence[Tensor | None], bits: Tensor, size: int) -> Tensor:
    """Numbers of levels `[groups, size]`, packed by how many bits they have, from one on."""
    levels = torch.zeros(len(bits), size, dtype=torch.int16)
    for count, packed in enumerate(planes, 1):
        if packed is not None:
            chosen = bits == count
            levels[chosen] = _numbers(packed, int(chosen.sum()) * size).view(-1, size)
    return levels


def _numbers(planes: Tensor, count: int) -> Tensor:
    """The first `count` whole numbers, int16, of planes `[blocks, bits, words]`.

    With n words in a plane, bit k of word i belongs to number k * n + i of the block. Without a
    first axis it is one block: so they are packed for TorchScript.
    """
    *_, bits, words = planes.shape
    blocks = planes.view(-1, bits, 1, words)
    places = torch.arange(planes.element_size() * 8)[:, None]
    numbers = torch.zeros(len(blocks), len(places), words, dtype=torch.int16)
    for bit in range(bits):
        numbers |= ((blocks[:, bit] >> places) & 1).short() << bit
    return numbers.view(-1)[:count]


def _weights(levels: Tensor, scale: tuple[float, float], bits: Tensor) -> Tensor:
    """Levels between the least and the greatest weight, in the order of diffq's own arithmetic."""
    least, greatest = scale
    unit = 1 / (2 ** bits.float() - 1)
    return levels.float() * unit * (greatest - least) + least
