"""The layers of DeepFilterNet3, and how each gets its weights from an ONNX graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

CHANNELS, WIDTH = 64, 256
#: Kinds of ONNX nodes that have weights which matter here.
KINDS = ("Conv", "ConvTranspose", "GRU", "Einsum")


class Grouped(nn.Module):
    """A linear layer in groups. Shape: `[..., groups * inputs]` -> `[..., groups * outputs]`."""

    def __init__(self, groups: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(groups, inputs, outputs))

    def forward(self, heard: Tensor) -> Tensor:
        """The answer of every group to its own part of the input."""
        groups = heard.unflatten(-1, self.weight.shape[:2])
        return torch.einsum("btgi,gih->btgh", groups, self.weight).flatten(2)


def conv(
    inputs: int, outputs: int, kernel: tuple[int, int], groups: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A convolution over frames and frequencies, padded in frequency; frames come padded."""
    return nn.Conv2d(inputs, outputs, kernel, padding=(0, kernel[1] // 2), groups=groups, bias=bias)


def separable(stride: int, transposed: bool = False) -> list[nn.Module]:
    """Three frequencies of each channel, then all channels."""
    size: dict[str, Any] = {
        "stride": (1, stride),
        "padding": (0, 1),
        "groups": CHANNELS,
        "bias": False,
    }
    depthwise: nn.Module = (
        nn.ConvTranspose2d(CHANNELS, CHANNELS, (1, 3), output_padding=(0, 1), **size)
        if transposed
        else nn.Conv2d(CHANNELS, CHANNELS, (1, 3), **size)
    )
    return [depthwise, conv(CHANNELS, CHANNELS, (1, 1), bias=True)]


def pathway() -> nn.Conv2d:
    """A gain and an offset for each channel."""
    return conv(CHANNELS, CHANNELS, (1, 1), groups=CHANNELS, bias=True)


def gru(depth: int) -> nn.GRU:
    """A recurrent network of some layers over frames."""
    return nn.GRU(WIDTH, WIDTH, depth, batch_first=True)


def frames(heard: Tensor) -> Tensor:
    """`[rows, channels, frames, freqs]` -> `[rows, frames, freqs * channels]`."""
    return heard.permute(0, 2, 3, 1).flatten(2)


def fill(layer: nn.Module, own: Iterator[tuple[str, list[Tensor]]]) -> None:
    """Give a layer the weights of the next nodes of its graph; a GRU of two layers is two nodes."""
    if isinstance(layer, nn.GRU):
        values: dict[str, Tensor] = {}
        for depth in range(layer.num_layers):
            _, (inner, outer, biases) = next(own)
            for kind, value in (("ih", inner[0]), ("hh", outer[0])):
                values[f"weight_{kind}_l{depth}"] = _gates(value)
            for kind, value in zip(("ih", "hh"), biases[0].chunk(2), strict=True):
                values[f"bias_{kind}_l{depth}"] = _gates(value)
    else:
        _, tensors = next(own)
        values = dict(zip(dict(layer.named_parameters()), tensors, strict=True))
    layer.load_state_dict(values)


def _gates(rows: Tensor) -> Tensor:
    """ONNX lays out a GRU's gates as update, reset, hidden; torch as reset, update, hidden."""
    update, reset, hidden = rows.chunk(3)
    return torch.cat([reset, update, hidden])
