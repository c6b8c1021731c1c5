"""The network of DeepFilterNet3: from features to gains of ERB bands and deep filters.

Schröter, Rosenkranz, Escalante-B. & Maier, "DeepFilterNet: Perceptually Motivated Real-Time Speech
Enhancement" (Interspeech 2023); layers and sizes as in the published ONNX graphs. An encoder hears
the levels of 32 bands and the low 96 bins as complex numbers; one decoder answers with a gain for
each band, another with a filter over five frames for each low bin. Convolutions look back a few
frames and the rest is recurrent, so a sound may come in stretches: a `State` is what passes from
one to the next, and the answers are the same wherever the stretches end, up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from speechclean.networks.checkpoints import CheckpointError, freeze
from speechclean.system.borrowed import unchanged_random_state

from .features import BANDS, LOW_BINS
from .layers import CHANNELS, KINDS, WIDTH, Grouped, conv, fill, frames, gru, pathway, separable
from .onnx_graph import layers

ORDER = 5


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
        # Views would keep the whole stretch in memory until the next one is done.
        kept = State(
            levels[:, :, -2:].clone(), both[:, :, -2:].clone(), low[:, :, 1 - ORDER :].clone(),
            encoder, of_gains, of_filters,
        )  # fmt: skip
        return gains, filters, kept


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                conv(1, CHANNELS, (3, 3), bias=True),
                *(layer for stride in (2, 2, 1) for layer in separable(stride)),
                conv(2, CHANNELS, (3, 3), groups=2),
                conv(CHANNELS, CHANNELS, (1, 1), bias=True),
                *separable(2),
                Grouped(32, 96, 16),
                Grouped(16, 32, 16),
                gru(1),
                Grouped(16, 16, 32),
            ]
        )

    def forward(
        self, levels: Tensor, spectrum: Tensor, state: Tensor
    ) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
        part = self.layers
        skips = [part[0](levels).relu_()]
        for first in (1, 3, 5):
            skips.append(part[first + 1](part[first](skips[-1])).relu_())
        low = part[8](part[7](spectrum)).relu_()
        heard = part[10](part[9](low)).relu_()
        embedding = frames(skips[-1]) + part[11](frames(heard)).relu_()
        hidden, state = part[13](part[12](embedding).relu_(), state)
        return skips, low, part[14](hidden).relu_(), state


class _GainDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Grouped(16, 32, 16), gru(2), Grouped(16, 16, 32)])
        for stride in (1, 2, 2):
            layer = separable(stride, transposed=stride > 1)
            self.layers += [pathway(), *layer]
        self.layers += [pathway(), conv(CHANNELS, 1, (1, 3), bias=True)]

    def forward(
        self, skips: list[Tensor], embedding: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        part = self.layers
        hidden, state = part[1](part[0](embedding).relu_(), state)
        answer = part[2](hidden).relu_().unflatten(-1, (-1, CHANNELS)).permute(0, 3, 1, 2)
        for first, skip in zip((3, 6, 9), reversed(skips[1:]), strict=True):
            answer = answer + part[first](skip).relu_()
            answer = part[first + 2](part[first + 1](answer)).relu_()
        return part[13](part[12](skips[0]).relu_() + answer).sigmoid()[:, 0], state


class _FilterDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                Grouped(8, 64, 32),
                gru(2),
                Grouped(16, 32, 16),
                conv(CHANNELS, 2 * ORDER, (ORDER, 1), groups=2),
                conv(2 * ORDER, 2 * ORDER, (1, 1), bias=True),
                Grouped(16, 16, 60),
            ]
        )

    def forward(self, low: Tensor, embedding: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        part = self.layers
        hidden, state = part[1](part[0](embedding).relu_(), state)
        answer = part[5](hidden + part[2](embedding)).tanh()
        answer = answer.unflatten(-1, (LOW_BINS, 2 * ORDER))
        answer = answer + part[4](part[3](low)).relu_().permute(0, 2, 3, 1)
        return torch.view_as_complex(answer.unflatten(-1, (ORDER, 2)).contiguous()), state


def build(graphs: Mapping[str, Path]) -> DeepFilterNetwork:
    """The network with the weights of the graphs `enc`, `erb_dec` and `df_dec`, frozen.

    Raises `CheckpointError` where they are not those of DeepFilterNet3.
    """
    with unchanged_random_state():
        network = DeepFilterNetwork()
    parts = {
        "enc": network.encoder.layers,
        "erb_dec": network.gains.layers,
        "df_dec": network.filters.layers,
    }
    for graph, part in parts.items():
        path = graphs[graph]
        own = iter(layers(path.read_bytes(), KINDS, str(path)))
        try:
            for layer in part:
                fill(layer, own)
        except (StopIteration, RuntimeError, ValueError) as error:
            raise CheckpointError(f"{path}: does not fit DeepFilterNet3 ({error})") from error
    freeze(network)
    return network
