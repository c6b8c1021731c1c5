"""The network of DeepFilterNet3: from features to gains of ERB bands and deep filters.

Schröter, Rosenkranz, Escalante-B. & Maier, "DeepFilterNet: Perceptually Motivated Real-Time Speech
Enhancement" (Interspeech 2023); layers and sizes as in the published ONNX graphs. An encoder hears
the levels of 32 bands and the low 96 bins as complex numbers; one decoder answers with a gain for
each band, another with a filter over five frames for each low bin. Convolutions look back a few
frames and the rest is recurrent, so a sound may come in stretches: a `State` is what passes from
one to the next, and the answers are the same wherever the stretches end, up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from speechclean.networks.checkpoints import CheckpointError, freeze

from .features import BANDS, LOW_BINS
from .onnx_graph import layers

ORDER = 5
CHANNELS, WIDTH, EMBEDDING = 64, 256, 512
#: Kinds of ONNX nodes that have weights which matter here.
KINDS = ("Conv", "ConvTranspose", "GRU", "Einsum")


@dataclass(frozen=True)
class State:
    """What the network keeps of the stretch before: past frames of three inputs, and GRU states.

    Shape: `levels` `[rows, 1, 2, 32]`, `spectrum` `[rows, 2, 2, 96]`, `low` `[rows, 64, 4, 96]`;
    the others `[layers, rows, 256]`.
    """

    levels: Tensor
    spectrum: Tensor
    low: Tensor
    encoder: Tensor
    gains: Tensor
    filters: Tensor

    @classmethod
    def initial(cls, rows: int, device: torch.device) -> State:
        """The state before the first frame: silence."""
        return cls(
            torch.zeros(rows, 1, 2, BANDS, device=device),
            torch.zeros(rows, 2, 2, LOW_BINS, device=device),
            torch.zeros(rows, CHANNELS, ORDER - 1, LOW_BINS, device=device),
            *(torch.zeros(depth, rows, WIDTH, device=device) for depth in (1, 2, 2)),
        )


class DeepFilterNetwork(nn.Module):
    """Encoder and both decoders. Frames come in order, `State` carries over."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.gains, self.filters = _Encoder(), _GainDecoder(), _FilterDecoder()

    def forward(
        self, levels: Tensor, spectrum: Tensor, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """Gains in 0..1 and complex filters of the next frames.

        The answer to a frame is meant for the one two frames before it.

        Shape: `levels` `[rows, frames, 32]`, `spectrum` complex `[rows, frames, 96]` -> `[rows,
        frames, 32]`, complex `[rows, frames, 96, 5]`.
        """
        both = torch.view_as_real(spectrum).permute(0, 3, 1, 2)
        levels = torch.cat([state.levels, levels[:, None]], 2)
        both = torch.cat([state.spectrum, both], 2)
        skips, low, embedding, encoder = self.encoder(levels, both, state.encoder)
        low = torch.cat([state.low, low], 2)
        gains, of_gains = self.gains(skips, embedding, state.gains)
        filters, of_filters = self.filters(low, embedding, state.filters)
        kept = State(
            levels[:, :, -2:], both[:, :, -2:], low[:, :, 1 - ORDER :],
            encoder, of_gains, of_filters,
        )  # fmt: skip
        return gains, filters, kept


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                _conv(1, CHANNELS, (3, 3), bias=True),
                *(layer for stride in (2, 2, 1) for layer in _separable(stride)),
                _conv(2, CHANNELS, (3, 3), groups=2),
                _conv(CHANNELS, CHANNELS, (1, 1), bias=True),
                *_separable(2),
                _Grouped(32, 96, 16),
                _Grouped(16, 32, 16),
                _gru(1),
                _Grouped(16, 16, 32),
            ]
        )

    def forward(
        self, levels: Tensor, spectrum: Tensor, state: Tensor
    ) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
        part = self.layers
        skips = [part[0](levels).relu()]
        for first in (1, 3, 5):
            skips.append(part[first + 1](part[first](skips[-1])).relu())
        low = part[8](part[7](spectrum)).relu()
        heard = part[10](part[9](low)).relu()
        embedding = _frames(skips[-1]) + part[11](_frames(heard)).relu()
        hidden, state = part[13](part[12](embedding).relu(), state)
        return skips, low, part[14](hidden).relu(), state


class _GainDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_Grouped(16, 32, 16), _gru(2), _Grouped(16, 16, 32)])
        for layer in (_separable(1), _separable(2, transposed=True), _separable(2, transposed=True)):
            self.layers += [_pathway(), *layer]
        self.layers += [_pathway(), _conv(CHANNELS, 1, (1, 3), bias=True)]

    def forward(
        self, skips: list[Tensor], embedding: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        part = self.layers
        hidden, state = part[1](part[0](embedding).relu(), state)
        rows, frames = embedding.shape[:2]
        answer = part[2](hidden).relu().view(rows, frames, -1, CHANNELS).permute(0, 3, 1, 2)
        for first, skip in zip((3, 6, 9), reversed(skips[1:]), strict=True):
            answer = answer + part[first](skip).relu()
            answer = part[first + 2](part[first + 1](answer)).relu()
        return part[13](part[12](skips[0]).relu() + answer).sigmoid()[:, 0], state


class _FilterDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                _Grouped(8, 64, 32),
                _gru(2),
                _Grouped(16, 32, 16),
                _conv(CHANNELS, 2 * ORDER, (ORDER, 1), groups=2),
                _conv(2 * ORDER, 2 * ORDER, (1, 1), bias=True),
                _Grouped(16, 16, 60),
            ]
        )

    def forward(self, low: Tensor, embedding: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        part = self.layers
        hidden, state = part[1](part[0](embedding).relu(), state)
        answer = part[5](hidden + part[2](embedding)).tanh()
        answer = answer.unflatten(-1, (LOW_BINS, 2 * ORDER))
        answer = answer + part[4](part[3](low)).relu().permute(0, 2, 3, 1)
        return torch.view_as_complex(answer.unflatten(-1, (ORDER, 2)).contiguous()), state


class _Grouped(nn.Module):
    """A linear layer in groups. Shape: `[..., groups * inputs]` -> `[..., groups * outputs]`."""

    def __init__(self, groups: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(groups, inputs, outputs))

    def forward(self, heard: Tensor) -> Tensor:
        groups = heard.unflatten(-1, self.weight.shape[:2])
        return torch.einsum("btgi,gih->btgh", groups, self.weight).flatten(2)


def _conv(
    inputs: int, outputs: int, kernel: tuple[int, int], groups: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A convolution over frames and frequencies, padded in frequency; frames come padded."""
    return nn.Conv2d(
        inputs, outputs, kernel, padding=(0, kernel[1] // 2), groups=groups, bias=bias
    )


def _separable(stride: int, transposed: bool = False) -> list[nn.Module]:
    """Three frequencies of each channel, then all channels."""
    size = dict(stride=(1, stride), padding=(0, 1), groups=CHANNELS, bias=False)
    depthwise: nn.Module = (
        nn.ConvTranspose2d(CHANNELS, CHANNELS, (1, 3), output_padding=(0, 1), **size)  # type: ignore[arg-type]
        if transposed
        else nn.Conv2d(CHANNELS, CHANNELS, (1, 3), **size)  # type: ignore[arg-type]
    )
    return [depthwise, _conv(CHANNELS, CHANNELS, (1, 1), bias=True)]


def _pathway() -> nn.Conv2d:
    """A gain and an offset for each channel."""
    return _conv(CHANNELS, CHANNELS, (1, 1), groups=CHANNELS, bias=True)


def _gru(depth: int) -> nn.GRU:
    return nn.GRU(WIDTH, WIDTH, depth, batch_first=True)


def _frames(heard: Tensor) -> Tensor:
    """`[rows, channels, frames, freqs]` -> `[rows, frames, freqs * channels]`."""
    return heard.permute(0, 2, 3, 1).flatten(2)


def build(graphs: Mapping[str, Path]) -> DeepFilterNetwork:
    """The network with the weights of the graphs `enc`, `erb_dec` and `df_dec`, frozen.

    Raises `CheckpointError` where they are not those of DeepFilterNet3.
    """
    network = DeepFilterNetwork()
    parts = {"enc": network.encoder, "erb_dec": network.gains, "df_dec": network.filters}
    for graph, part in parts.items():
        path = graphs[graph]
        own = iter(layers(path.read_bytes(), KINDS, str(path)))
        try:
            for layer in part.layers:
                _fill(layer, own)
        except (StopIteration, RuntimeError, ValueError) as error:
            raise CheckpointError(f"{path}: does not fit DeepFilterNet3 ({error})") from error
    freeze(network)
    return network


def _fill(layer: nn.Module, own: Iterator[tuple[str, list[Tensor]]]) -> None:
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
