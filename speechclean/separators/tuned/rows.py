"""The layers over frequency, computed a few rows at a time.

In the outer layers every row of frequencies goes its own way from one convolution over frequency to the next: residual branch,
1x1 convolution, GLU. A whole spectrogram there is 30 MB (HTDemucs, 7.8 s) to 190 MB (HDemucs, 44 s) and passes through memory
a dozen times per layer; tiles of a few rows pass through the cache instead. Between layers the memory is laid out as
`[batch, freqs, channels, time]`, seen from outside as the `[batch, channels, freqs, time]` that demucs expects: a row is one
matrix `[channels, time]`, and the strided convolutions over frequency are matrix products as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from demucs.hdemucs import HDecLayer, HEncLayer
from torch import Tensor, nn
from torch.nn import functional

from .workers import spread

#: What a tile's widest tensor may take: a few of them fit into the caches of current processors together.
TILE_BYTES = 2**20


def tune_rows(network: Any) -> None:
    """Swap the outer layers over frequency, and let the first of them add the frequency embedding."""
    for index, layer in enumerate(network.encoder):
        if _fits_encoder(layer):
            network.encoder[index] = RowEncoder(layer)
    first = network.encoder[0]
    if isinstance(first, RowEncoder) and network.freq_emb is not None:
        first.embedding = nn.Parameter(network.freq_emb_scale * network.freq_emb.weight[:, :, None], False)
        network.freq_emb = None
    for index, layer in enumerate(network.decoder):
        if _fits_decoder(layer):
            network.decoder[index] = RowDecoder(layer)


def _fits_encoder(layer: Any) -> bool:
    return (
        _fits(layer, HEncLayer)
        and layer.conv.kernel_size[0] == 2 * layer.conv.stride[0]
        and layer.rewrite.kernel_size == (1, 1)
    )


def _fits_decoder(layer: Any) -> bool:
    return (
        _fits(layer, HDecLayer)
        and layer.conv_tr.kernel_size[0] == 2 * layer.conv_tr.stride[0]
        and layer.rewrite.kernel_size[0] == 2 * layer.rewrite.padding[0] + 1
    )


def _fits(layer: Any, cls: Any) -> bool:
    """Whether a layer's rows are independent: over frequency, no norm across rows, the usual padding."""
    usual = isinstance(layer, cls) and layer.freq and layer.pad and not layer.norm and not layer.empty
    return bool(usual and layer.rewrite is not None)


def tiles(rows: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    """Stretches of rows, first to last.

    >>> list(tiles(5, TILE_BYTES // 2))
    [(0, 2), (2, 4), (4, 5)]
    """
    step = max(1, TILE_BYTES // row_bytes)
    for first in range(0, rows, step):
        yield first, min(first + step, rows)


class RowEncoder(nn.Module):
    """`HEncLayer` over frequency: strided conv -> GELU -> residual branch -> 1x1 conv -> GLU.

    `embedding` `[freqs, channels, 1]` is added at the end, which demucs does after its first layer.
    """

    def __init__(self, plain: Any) -> None:
        super().__init__()
        conv, rewrite = plain.conv, plain.rewrite
        self.stride, self.pad = conv.stride[0], conv.padding[0]
        # A window of rows, one below the other, is a matrix [window * channels, time]: its rows in that order.
        self.weight = nn.Parameter(conv.weight[..., 0].transpose(1, 2).flatten(1), False)
        self.bias = nn.Parameter(conv.bias[:, None], False)
        self.rewrite = nn.Parameter(rewrite.weight[..., 0, 0], False)
        self.rewrite_bias = nn.Parameter(rewrite.bias[:, None], False)
        self.dconv = plain.dconv
        self.embedding: nn.Parameter | None = None

    def forward(self, x: Tensor, inject: Tensor | None = None) -> Tensor:
        """Shape: `[batch, channels, freqs, time]` -> `[batch, channels out, freqs / stride, time]`."""
        assert inject is None
        batch, channels, freqs, time = x.shape
        rows = functional.pad(x.permute(0, 2, 1, 3), (0, 0, 0, 0, self.pad, self.pad))
        rows = rows.contiguous()
        count = freqs // self.stride
        out = x.new_empty(batch, count, len(self.rewrite) // 2, time)
        for item in range(batch):
            windows = rows[item].as_strided(
                (count, self.weight.shape[1], time), (self.stride * channels * time, time, 1), rows[item].storage_offset()
            )
            spread(partial(self._tile, windows, out[item]), tiles(count, 4 * len(self.rewrite) * time))
        return out.permute(0, 2, 1, 3)

    def _tile(self, windows: Tensor, out: Tensor, first: int, last: int) -> None:
        """Rows `first` to `last` of `out` `[rows, channels, time]`, from the windows of rows that they hear."""
        y = functional.gelu(_product(self.bias, self.weight, windows[first:last]))
        if self.dconv is not None:
            y = self.dconv(y)
        y = functional.glu(_product(self.rewrite_bias, self.rewrite, y), 1)
        out[first:last] = y if self.embedding is None else y.add_(self.embedding[first:last])


class RowDecoder(nn.Module):
    """`HDecLayer` over frequency: + skip -> conv -> GLU -> residual branch -> strided transposed conv -> GELU unless last."""

    def __init__(self, plain: Any) -> None:
        super().__init__()
        conv = plain.conv_tr
        self.stride, self.pad, self.last = conv.stride[0], plain.pad, plain.last
        self.rewrite, self.dconv = plain.rewrite, plain.dconv
        self.channels = conv.out_channels
        # Each row answers with 2 * stride rows of output, of which the second half falls together with the next row's first.
        self.weight = nn.Parameter(conv.weight[..., 0].permute(2, 1, 0).flatten(0, 1), False)
        bias = conv.bias.repeat(self.stride)
        self.bias = nn.Parameter(torch.cat([torch.zeros_like(bias), bias])[:, None], False)

    def forward(self, x: Tensor, skip: Tensor, _length: int) -> tuple[Tensor, None]:
        """Shape: `[batch, channels, freqs, time]` -> `[batch, channels out, freqs * stride, time]`."""
        batch, channels, freqs, time = x.shape
        out = x.new_empty(batch, freqs * self.stride, self.channels, time)
        x, skip = x.permute(0, 2, 1, 3), skip.permute(0, 2, 1, 3)
        for item in range(batch):
            ends = spread(partial(self._tile, x[item], skip[item], out[item]), tiles(freqs, 8 * channels * time))
            above = self.bias[len(self.bias) // 2 :].view(self.stride, -1, 1)
            for first, top, bottom in ends:
                self._write(top + above, first * self.stride, out[item])
                above = bottom
            self._write(above, freqs * self.stride, out[item])
        return out.permute(0, 2, 1, 3), None

    def _tile(self, x: Tensor, skip: Tensor, out: Tensor, first: int, last: int) -> tuple[int, Tensor, Tensor]:
        """Write what rows `first` to `last` alone decide of `out`; the first half of the first row's answer and the second half
        of the last row's are left to those who know the neighbours."""
        context = self.rewrite.padding[0]
        start, end = max(0, first - context), min(len(x), last + context)
        y = (x[start:end] + skip[start:end]).transpose(0, 1)
        y = functional.pad(y, (0, 0, start - first + context, last + context - end))
        y = functional.conv2d(y[None], self.rewrite.weight, self.rewrite.bias, padding=(0, self.rewrite.padding[1]))
        y = functional.glu(y[0], 0).transpose(0, 1).contiguous()
        if self.dconv is not None:
            y = self.dconv(y)
        halves = _product(self.bias, self.weight, y).view(last - first, 2, self.stride, self.channels, -1)
        self._write((halves[1:, 0] + halves[:-1, 1]).flatten(0, 1), (first + 1) * self.stride, out)
        return first, halves[0, 0].clone(), halves[-1, 1].clone()

    def _write(self, rows: Tensor, position: int, out: Tensor) -> None:
        """Put rows of output in place, where there is one for them, through the activation."""
        position -= self.pad
        begin, end = max(0, position), min(len(out), position + len(rows))
        rows = rows[begin - position : end - position]
        out[begin:end] = rows if self.last else functional.gelu(rows)


def _product(bias: Tensor, weight: Tensor, rows: Tensor) -> Tensor:
    """bias + weight @ row, for each row. Shape: `[out, 1], [out, in], [rows, in, time]` -> `[rows, out, time]`."""
    return torch.baddbmm(bias, weight.expand(len(rows), -1, -1), rows)
