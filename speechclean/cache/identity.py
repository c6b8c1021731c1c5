"""What else an estimate depends on, besides its input and its network: the code, the packages and the machine's arithmetic."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib import metadata
from pathlib import Path

import torch

from .. import cores

#: Packages that compute.
PACKAGES = ("torch", "torchaudio", "demucs", "diffq", "denoiser", "numpy", "soxr")
_PACKAGE = Path(__file__).parent.parent


@cache
def code(*places: str) -> str:
    """sha256 of the sources of modules and packages of this one, `separators` and `cores.py`, and of the packages' versions:
    whoever changes a line of them finds nothing old."""
    total = hashlib.sha256()
    for place in places:
        path = _PACKAGE / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            total.update(f"{file.relative_to(_PACKAGE).as_posix()}\0".encode() + file.read_bytes())
    for name in PACKAGES:
        total.update(f"{name}\0{_version(name)}\n".encode())
    return total.hexdigest()


def arithmetic(device: torch.device) -> str:
    """The class of machine that rounds alike: the GPU, or the CPU, its instruction set and the threads that share a sum."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} {torch.version.cuda} {torch.backends.cudnn.version()}"
    threads = torch.get_num_threads() // cores.at_once()
    return f"{_cpu()} {torch.backends.cpu.get_cpu_capability()} {threads}"


@cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
