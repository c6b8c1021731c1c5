"""What else an estimate depends on, besides its input and its network: the code, the packages and
the machine's arithmetic.
"""

from __future__ import annotations

import hashlib
from functools import cache

import torch
from torch import Tensor

from speechclean.system import parallel
from speechclean.system.atomic_files import sources_sha256
from speechclean.system.hardware import cpu_model, version
from speechclean.system.resources import PACKAGE

#: Packages that compute.
PACKAGES = ("torch", "torchaudio", "demucs", "diffq", "denoiser", "numpy", "soxr")


@cache
def code(*places: str) -> str:
    """sha256 of the sources of modules and packages of this one, `separators` and `cores.py`, and
    of the packages' versions: whoever changes a line of them finds nothing old.
    """
    paths = [PACKAGE / place for place in places]
    sources = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
    versions = "".join(f"{name}\0{version(name)}\n" for name in PACKAGES)
    return hashlib.sha256((sources_sha256(PACKAGE, sources) + versions).encode()).hexdigest()


def samples(tensor: Tensor) -> str:
    """sha256 of a tensor's shape and values."""
    rows = tensor.detach().cpu().contiguous()
    return hashlib.sha256(f"{tuple(rows.shape)}".encode() + rows.numpy().tobytes()).hexdigest()


def arithmetic(device: torch.device) -> str:
    """The class of machine that rounds alike: the GPU, or the CPU, its instruction set and the
    threads that share a sum.
    """
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} {torch.version.cuda} {torch.backends.cudnn.version()}"
    threads = torch.get_num_threads() // parallel.at_once()
    return f"{cpu_model()} {torch.backends.cpu.get_cpu_capability()} {threads}"
