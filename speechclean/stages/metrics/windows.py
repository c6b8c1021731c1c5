"""A network over the windows of a sound, several at once.

Shared by the metrics whose network hears a fixed length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from speechclean.system import parallel

Judge = Callable[[Tensor], Tensor]


def over_windows(
    judge: Judge, sound: Tensor, starts: Sequence[int], length: int, batch_size: int
) -> Tensor:
    """What `judge` says of each window: `[windows, values]`, on the CPU.

    Shape: `sound` is `[samples]`; `judge` takes `[batch, length]` and returns `[batch, values]`.

    On a GPU `batch_size` windows share a forward pass. On a CPU each has one to itself, side by
    side on its cores, so that neither their number nor the batch changes a bit.
    """
    return in_batches(judge, sound, starts, length, batch_size if sound.is_cuda else 1)


def in_batches(
    judge: Judge, sound: Tensor, starts: Sequence[int], length: int, size: int
) -> Tensor:
    """The same with `size` windows in each pass, on whatever device."""
    groups = [starts[first : first + size] for first in range(0, len(starts), size)]

    def answer(group: Sequence[int]) -> Tensor:
        return judge(torch.stack([sound[start : start + length] for start in group]))

    answers = parallel.ordered(answer, groups, parallel=not sound.is_cuda)
    return torch.cat([values.cpu() for _, values in answers])


def thinned(starts: Sequence[int], at_most_apart: int) -> list[int]:
    """Some of evenly spaced windows, the first and the last among them.

    As few as there can be with neighbours `at_most_apart` of the given places from one another.

    >>> thinned([0, 10, 20, 30, 40], 1)
    [0, 10, 20, 30, 40]
    >>> thinned([0, 10, 20, 30, 40], 3)
    [0, 20, 40]
    """
    gaps = -(-(len(starts) - 1) // at_most_apart)
    return (
        [starts[round(i * (len(starts) - 1) / gaps)] for i in range(gaps + 1)]
        if gaps
        else list(starts)
    )
