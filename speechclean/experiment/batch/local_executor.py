"""batch=local: worker processes of this machine, one for each GPU, or one that takes all cores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .dispatch import dispatch
from .interrupt import Stop
from .plan import ONLY
from .task import Entry, Task
from .worker_handle import Inbox, Link, ProcessLink, Setup


@dataclass(frozen=True)
class LocalWorkers:
    """The executor on this machine.

    out: the batch's folder; the same folder continues the same batch
    only: `failed` does those again that failed; `all`
    force: everything anew
    workers: processes; None: one for each GPU, or one for all cores
    interval_s: between two lines of progress where there is no terminal
    """

    out: str
    only: str = "all"
    force: bool = False
    workers: int | None = None
    interval_s: float = 30.0

    def __post_init__(self) -> None:
        check_common(self.only, self.workers, self.interval_s)

    def check(self) -> None:
        """Always ready."""

    def entries(self, tasks: Sequence[Task], setup: Setup, stop: Stop) -> Iterator[Entry | None]:
        """See `dispatch`."""
        gpus = _gpus(str(setup.config["device"]))
        count = self.workers or max(1, len(gpus))
        threads = None if gpus else max(1, torch.get_num_threads() // count)

        def start(number: int, events: Inbox) -> Link:
            own = {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus else {}
            return ProcessLink(number, setup, events, threads, own)

        return dispatch(tasks, setup, start, count, stop)


def check_common(only: str, workers: int | None, interval_s: float) -> None:
    """Raise `ValueError` for what no executor can do."""
    if only not in ONLY:
        raise ValueError(f"only={only!r} must be one of {', '.join(ONLY)}")
    if workers is not None and workers < 1:
        raise ValueError(
            f"workers={workers} must be 1 or more, or null for one for each GPU, or for all cores"
        )
    if interval_s <= 0:
        raise ValueError(f"interval_s={interval_s} must be above 0")


def _gpus(device: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """What `CUDA_VISIBLE_DEVICES` is for each worker; [] where none has one of its own."""
    if device not in ("auto", "cuda"):
        return []
    given: Any = environment.get("CUDA_VISIBLE_DEVICES")
    names = (
        given.split(",") if given else [str(number) for number in range(torch.cuda.device_count())]
    )
    return names[: torch.cuda.device_count()]
