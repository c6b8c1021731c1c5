"""Forward passes of as many inputs as the memory of a GPU holds, found before it runs out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

#: Share of the free memory that a pass may take: the rest is for its neighbours, and for what a
#: larger batch takes besides.
SHARE = 0.7

Work = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class GpuBatches:
    """How many inputs of each length go through a network at once.

    The first pass over inputs of a length has one of them, and what it takes says how many more
    fit. Where memory runs out all the same, since somebody else has taken it, the number is halved
    for good. A CPU takes whatever it is given.
    """

    limits: dict[int, int] = field(default_factory=dict)

    def answer(self, work: Work, heard: Tensor) -> Tensor:
        """`work(heard)`, in parts where memory asks for them.

        Shape: `[batch, ..., samples]` -> `[batch, ...]`.
        """
        length = heard.shape[-1]
        limit = self.limits.get(length, len(heard))
        if length not in self.limits and len(heard) > 1 and measurable(heard.device):
            first, taken = measured(work, heard[:1])
            limit = self.limits[length] = fitting(taken, free(heard.device))
            return torch.cat([first, *(self.answer(work, one) for one in heard[1:].split(limit))])
        if len(heard) > limit:
            return torch.cat([self.answer(work, part) for part in heard.split(limit)])
        try:
            return work(heard)
        except torch.OutOfMemoryError:
            if len(heard) == 1:
                raise
            self.limits[length] = len(heard) // 2
        # The exception holds the failed pass's tensors until its block ends.
        torch.cuda.empty_cache()
        return self.answer(work, heard)


def fitting(taken: int, free_bytes: int) -> int:
    """How many inputs fit at once, of which one takes `taken` bytes; one at least.

    >>> fitting(taken=1000, free_bytes=10_000)
    7
    """
    return max(1, int(SHARE * free_bytes) // max(1, taken))


def measurable(device: torch.device) -> bool:
    """Whether a device says what a pass takes."""
    return device.type == "cuda"


def measured(work: Work, heard: Tensor) -> tuple[Tensor, int]:
    """`work(heard)`, and how many bytes more it took than were held before."""
    device = heard.device
    held = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    answer = work(heard)
    return answer, torch.cuda.max_memory_allocated(device) - held


def free(device: torch.device) -> int:
    """Bytes that this process can have: free on the device, or kept by torch and not in use."""
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused
