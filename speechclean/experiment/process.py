"""What a process sets for itself that does nothing but this package's work.

The library never sets any of it: whoever imports it, builds a config, loads a network or cleans a
sound finds thread counts, allocator, environment and logging as they were. Commands and worker
processes call `set_up_process` when they start. Without it the answers are the same, but computing
on a CPU takes longer.
"""

from __future__ import annotations

import logging
import os

import torch

from speechclean.records.tracking import quieten
from speechclean.system import allocator, parallel

#: For Ray, which hands its environment on to the processes that it starts.
_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a CPU actor's environment stays as it is
}


def set_up_process(threads: int | None = None, batch: bool = False) -> None:
    """Set everything of the process that computing, recording and logging gain from.

    threads: for torch; None leaves its own choice
    batch: log lines that cannot be written are dropped without a trace: a full disk takes no log
        either, and a batch says at its end what was lost
    """
    if threads:
        torch.set_num_threads(threads)
    parallel.limit_blas()
    allocator.allow()
    quieten()
    for key, value in _RAY.items():
        os.environ.setdefault(key, value)
    if batch:
        logging.raiseExceptions = False
