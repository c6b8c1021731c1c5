"""The transformer of HTDemucs and the local attention of HDemucs, with fewer passes over memory."""

from __future__ import annotations

from typing import Any

import torch
from demucs.demucs import LocalState
from demucs.transformer import (
    CrossTransformerEncoderLayer,
    LayerScale,
    MyGroupNorm,
    MyTransformerEncoderLayer,
)
from torch import Tensor, nn
from torch.nn import functional


def tune_attention(network: Any) -> None:
    """Swap the attention modules of a network, and fold the layer scales of its transformer."""
    for parent in list(network.modules()):
        if isinstance(parent, MyTransformerEncoderLayer | CrossTransformerEncoderLayer):
            _tune_layer(parent)
        for name, child in list(parent.named_children()):
            if isinstance(child, LocalState) and not child.nfreqs and child.ndecay:
                setattr(parent, name, DecayingAttention(child))


def _tune_layer(layer: Any) -> None:
    name = "self_attn" if isinstance(layer, MyTransformerEncoderLayer) else "cross_attn"
    attention = getattr(layer, name)
    if (
        isinstance(attention, nn.MultiheadAttention)
        and attention._qkv_same_embed_dim  # noqa: SLF001  torch has no public name for it
        and attention.batch_first
    ):
        for scale, linear in ((layer.gamma_1, attention.out_proj), (layer.gamma_2, layer.linear2)):
            if isinstance(scale, LayerScale):
                linear.weight *= scale.scale[:, None]
                linear.bias *= scale.scale
        layer.gamma_1 = layer.gamma_2 = nn.Identity()
        setattr(layer, name, Attention(attention))
    if isinstance(layer.norm_out, MyGroupNorm) and layer.norm_out.num_groups == 1:
        layer.norm_out = WholeNorm(layer.norm_out)


class Attention(nn.Module):
    """`nn.MultiheadAttention` without its fast path, which writes the matrix of all weights.

    In a segment of HTDemucs that is 2,688 x 2,688 for each of eight heads.

    Shape: `[batch, time, channels]`.
    """

    def __init__(self, plain: nn.MultiheadAttention) -> None:
        super().__init__()
        self.heads = plain.num_heads
        self.weight, self.bias, self.out = plain.in_proj_weight, plain.in_proj_bias, plain.out_proj

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, **options: Any
    ) -> tuple[Tensor, None]:
        """Attend; `options` are what the transformer's layers pass, and may not mask anything."""
        assert key is value
        assert all(options.get(mask) is None for mask in ("attn_mask", "key_padding_mask"))
        width = query.shape[-1]
        if query is key:
            parts = functional.linear(query, self.weight, self.bias).chunk(3, -1)
        else:
            asked = functional.linear(query, self.weight[:width], self.bias[:width])
            parts = (
                asked,
                *functional.linear(key, self.weight[width:], self.bias[width:]).chunk(2, -1),
            )
        heads = [part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts]
        return self.out(
            functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        ), None


class WholeNorm(nn.Module):
    """`MyGroupNorm` of one group, without transposing there and back.

    Shape: `[batch, time, channels]`.
    """

    def __init__(self, plain: MyGroupNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = plain.weight, plain.bias, plain.eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over time and channels."""
        normal = functional.layer_norm(x, x.shape[1:], eps=self.eps)
        return torch.addcmul(self.bias, normal, self.weight)


class DecayingAttention(nn.Module):
    """`LocalState` of demucs: attention whose scores fall with the distance in time.

    Shape: `[batch, channels, time]`.

    Its four decays per head only ever act as their weighted sum, so the scores take one
    multiplication by |t - s| per head instead of a product over all pairs of frames for each decay.
    """

    def __init__(self, plain: LocalState) -> None:
        super().__init__()
        self.heads, self.decays = plain.heads, plain.ndecay
        self.content, self.query, self.key, self.query_decay, self.proj = (
            plain.content, plain.query, plain.key, plain.query_decay, plain.proj,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """The input plus what it attends to."""
        queries, keys, content = (
            part(x).unflatten(1, (self.heads, -1)) for part in (self.query, self.key, self.content)
        )
        rates = torch.arange(1, self.decays + 1, device=x.device, dtype=x.dtype) / self.decays**0.5
        decay = torch.sigmoid(self.query_decay(x)).unflatten(1, (self.heads, -1)) / 2
        # For each query: how much a frame of distance takes off the score.
        slope = torch.einsum("bhft,f->bht", decay, rates)
        time = torch.arange(x.shape[-1], device=x.device, dtype=x.dtype)
        # [batch, heads, queries, keys]
        scores = torch.matmul(queries.transpose(-1, -2) / keys.shape[2] ** 0.5, keys)
        scores.addcmul_(slope[..., None], (time[:, None] - time).abs(), value=-1)
        scores.diagonal(dim1=-2, dim2=-1).fill_(-100)  # a frame does not look at itself
        answer = torch.matmul(content, torch.softmax(scores, -1).transpose(-1, -2))
        return x + self.proj(answer.flatten(1, 2))
