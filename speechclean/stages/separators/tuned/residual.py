"""The residual branches of demucs' layers (DConv) as matrix products.

Shape: `[batch, channels, time]`.
"""

from __future__ import annotations

from typing import Any

import torch
from demucs.demucs import DConv
from demucs.transformer import LayerScale
from torch import Tensor, nn
from torch.nn import functional


def tune_residuals(network: Any) -> None:
    """Swap every DConv of a network."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, DConv):
                setattr(parent, name, Residual(child))


class Residual(nn.Module):
    """`DConv`: x + branch(x), once per layer of the branch."""

    def __init__(self, plain: DConv) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Branch(layer) for layer in plain.layers)

    def forward(self, x: Tensor) -> Tensor:
        """The input plus its branches, one after the other."""
        for branch in self.branches:
            x = branch(x).add_(x)
        return x


class Branch(nn.Module):
    """conv -> norm -> activation (-> LSTM, attention) -> 1x1 conv -> norm -> GLU -> layer scale.

    The 1x1 convolution is a matrix product, which libraries do better than a convolution over so
    few channels; the layer scale goes into the weights of the norm, in the half of the channels
    that the GLU does not gate with.
    """

    def __init__(self, plain: Any) -> None:
        super().__init__()
        *narrow, widen, norm, gate, scale = plain
        assert [type(part) for part in (widen, gate, scale)] == [nn.Conv1d, nn.GLU, LayerScale]
        self.narrow = nn.Sequential(*narrow)
        self.weight, self.bias = (
            nn.Parameter(widen.weight[:, :, 0], False),
            nn.Parameter(widen.bias[:, None], False),
        )
        self.norm = norm
        if isinstance(norm, nn.GroupNorm):
            norm.weight[: len(scale.scale)] *= scale.scale
            norm.bias[: len(scale.scale)] *= scale.scale
            self.scale = None
        else:
            self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """What the branch adds."""
        hidden = self.narrow(x)
        wide = torch.baddbmm(self.bias, self.weight.expand(len(x), -1, -1), hidden)
        answer = functional.glu(self.norm(wide), 1)
        return answer if self.scale is None else self.scale(answer)
