"""Chunks of several sounds that share the forward passes of a denoiser on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from speechclean.networks.gpu_batches import GpuBatches, Work

#: Rows, a channel of a chunk each, in one forward pass, at most.
ROWS = 64


@dataclass(frozen=True)
class Chunk:
    """What a network hears of a sound at once: `heard` `[channels, samples]`, context included.

    `wanted` is what the answer is for; it is multiplied by `scale` `[channels, 1]`, by which the
    input was divided.
    """

    heard: Tensor
    wanted: slice
    scale: Tensor

    def of(self, answer: Tensor) -> Tensor:
        """The part of an answer that is wanted, at the sound's level."""
        return self.scale * answer[..., self.wanted]


def packed(
    work: Work, chunks: Sequence[Tensor], step: int, batches: GpuBatches, rows: int = ROWS
) -> list[Tensor]:
    """`work` over chunks `[channels, samples]`, in their order.

    Each gets silence behind it up to a multiple of `step` samples, whatever else is in its batch:
    a causal network that pads its own input so hears nothing else. `work` takes and gives
    `[rows, samples]`.
    """
    by_length: dict[int, list[int]] = {}
    for index, chunk in enumerate(chunks):
        by_length.setdefault(-(-chunk.shape[-1] // step) * step, []).append(index)
    answers: dict[int, Tensor] = {}
    for length, members in by_length.items():
        own_chunks = [chunks[index] for index in members]
        heard = torch.cat([functional.pad(one, (0, length - one.shape[-1])) for one in own_chunks])
        answer = torch.cat([batches.answer(work, part) for part in heard.split(rows)])
        channels = [len(one) for one in own_chunks]
        for index, own in zip(members, answer.split(channels), strict=True):
            answers[index] = own[..., : chunks[index].shape[-1]]
    return [answers[index] for index in range(len(chunks))]
