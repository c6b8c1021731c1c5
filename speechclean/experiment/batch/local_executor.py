"""batch=local: worker processes of this machine, one for each GPU, or one that takes all cores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from .worker_handle import Inbox, ProcessHandle, Setup, WorkerHandle
from .worker_pool import OpenPool, WorkerPool


@dataclass(frozen=True)
class LocalWorkers(WorkerPool):
    """Worker processes of this machine; its fields are those of every pool.

    workers: processes; None: one for each GPU, or one for all cores
    """

    @contextmanager
    def opened(self, setup: Setup) -> Iterator[OpenPool]:
        """The pool; where there are GPUs, each worker sees one of them."""
        gpus = _gpus(str(setup.config["device"]))
        count = self.workers or max(1, len(gpus))
        threads = None if gpus else max(1, torch.get_num_threads() // count)

        def start(number: int, events: Inbox) -> WorkerHandle:
            own = {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus else {}
            return ProcessHandle(number, setup, events, threads, own)

        yield OpenPool(count, start)


def _gpus(device: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """What `CUDA_VISIBLE_DEVICES` is for each worker; [] where none has one of its own."""
    if device not in ("auto", "cuda"):
        return []
    given: Any = environment.get("CUDA_VISIBLE_DEVICES")
    names = (
        given.split(",") if given else [str(number) for number in range(torch.cuda.device_count())]
    )
    return names[: torch.cuda.device_count()]
