"""What else an estimate depends on, besides its input and its network: the code, the packages and the machine's arithmetic."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from .. import cores
from ..files import sources_sha256
from ..machine import cpu_model, version

#: Packages that compute.
PACKAGES = ("torch", "torchaudio", "demucs", "diffq", "denoiser", "numpy", "soxr")
_PACKAGE = Path(__file__).parent.parent


@cache
def code(*places: str) -> str:
    """sha256 of the sources of modules and packages of this one, `separators` and `cores.py`, and of the packages' versions:
    whoever changes a line of them finds nothing old."""
    paths = [_PACKAGE / place for place in places]
    sources = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
    versions = "".join(f"{name}\0{version(name)}\n" for name in PACKAGES)
    return hashlib.sha256((sources_sha256(_PACKAGE, sources) + versions).encode()).hexdigest()


def samples(tensor: Tensor) -> str:
    """sha256 of a tensor's shape and values."""
    rows = tensor.detach().cpu().contiguous()
    return hashlib.sha256(f"{tuple(rows.shape)}".encode() + rows.numpy().tobytes()).hexdigest()


def arithmetic(device: torch.device) -> str:
    """The class of machine that rounds alike: the GPU, or the CPU, its instruction set and the threads that share a sum."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} {torch.version.cuda} {torch.backends.cudnn.version()}"
    threads = torch.get_num_threads() // cores.at_once()
    return f"{cpu_model()} {torch.backends.cpu.get_cpu_capability()} {threads}"
