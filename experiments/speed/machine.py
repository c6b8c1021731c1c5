"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

import torch


def describe() -> dict[str, Any]:
    """Processor, threads, versions, and how busy the machine was just before.

    With other work on it, times mean nothing.
    """
    info = Path("/proc/cpuinfo")
    names = [
        line.split(":", 1)[1].strip()
        for line in info.read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": names[0] if names else platform.processor(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "cores_busy_before": cores_busy(),
    }


def peak_flops(device: str, size: int = 4096, seconds: float = 2.0) -> float:
    """Operations per second that a product of large fp32 matrices reaches.

    It is the best that the hardware can do as it is set.
    """
    one, other = (torch.randn(size, size, device=device) for _ in range(2))
    synchronise = torch.cuda.synchronize if device != "cpu" else (lambda: None)
    one @ other
    synchronise()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        one @ other
        synchronise()
        count += 1
    return 2 * size**3 * count / (time.perf_counter() - start)


def cores_busy(seconds: float = 1.0) -> float | None:
    """How many cores were at work over the next `seconds`, whoever's work it was.

    None where /proc does not tell.
    """

    def ticks() -> tuple[int, int]:
        rows = [
            line.split()
            for line in Path("/proc/stat").read_text().splitlines()
            if line.startswith("cpu")
        ]
        whole = [int(value) for value in rows[0][1:9]]
        return sum(whole), whole[3] + whole[4]

    if not Path("/proc/stat").exists():
        return None
    before = ticks()
    time.sleep(seconds)
    total, idle = (after - start for start, after in zip(before, ticks(), strict=True))
    return round((os.cpu_count() or 1) * (1 - idle / max(1, total)), 2)


def line(machine: dict[str, Any]) -> str:
    """The same in a sentence."""
    gpu = f", {machine['gpu']}" if machine["gpu"] else ""
    return (
        f"{machine['processor']} ({machine['capability']}), {machine['threads']} threads{gpu}, "
        f"torch {machine['torch']}; "
        f"cores busy with other work before: {machine['cores_busy_before']}"
    )
