"""Tiles spread over threads of Python, each computing alone.

Left to torch, all threads share every single operation and wait for one another after it: on tiles, a thousand meetings in a
pass, which are dear when another program holds one of the cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

T = TypeVar("T")


def spread(work: Callable[[int, int], T], stretches: Iterable[tuple[int, int]]) -> list[T]:
    """`work(first, last)` for every stretch, in their order, on as many threads as torch would use."""
    stretches = list(stretches)
    count = torch.get_num_threads()
    if count == 1 or len(stretches) == 1:
        return [work(first, last) for first, last in stretches]
    inference = torch.is_inference_mode_enabled()  # known to a thread alone

    def alone(stretch: tuple[int, int]) -> T:
        with torch.inference_mode(inference):
            return work(*stretch)

    torch.set_num_threads(1)  # of each operation, in the whole process
    try:
        return list(_workers(count).map(alone, stretches))
    finally:
        torch.set_num_threads(count)


@cache
def _workers(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "tiles")
