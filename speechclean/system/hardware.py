"""What computes: the processor, and the versions of packages.

Runs record them, and cached estimates depend on them.
"""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata
from pathlib import Path


@cache
def cpu_model() -> str | None:
    """The processor's name; None where nothing tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.partition(":")[2].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine() or None


def version(package: str) -> str | None:
    """The installed version of a package; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
