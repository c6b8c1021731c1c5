"""The last layers of a network cut down to one source."""

from __future__ import annotations

from typing import Any

from demucs.hdemucs import HDecLayer
from torch import nn


def keep_source(network: Any, source: int) -> None:
    """Leave out the outputs of all sources but one: their last convolution and their inverse STFT are never computed.

    Nothing is done where the sources need one another: a Wiener filter between them, or a norm across their channels.
    """
    lasts = [network.decoder[-1], *([network.tdecoder[-1]] if getattr(network, "tdecoder", None) else [])]
    independent = network.cac or network.wiener_iters < 0
    if not independent or not all(isinstance(last, HDecLayer) and isinstance(last.norm2, nn.Identity) for last in lasts):
        return
    count = len(network.sources)
    for last in lasts:
        _slice(last.conv_tr, source, count)
    network.sources = [network.sources[source]]


def _slice(conv: Any, source: int, count: int) -> None:
    """Keep one of `count` equal stretches of a transposed convolution's output channels."""
    width = conv.out_channels // count
    kept = slice(source * width, (source + 1) * width)
    conv.weight = nn.Parameter(conv.weight[:, kept].clone(), requires_grad=False)
    conv.bias = nn.Parameter(conv.bias[kept].clone(), requires_grad=False)
    conv.out_channels = width
