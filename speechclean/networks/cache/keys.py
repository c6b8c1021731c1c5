"""What keys hold besides a stage's knobs and weights: samples, and the machine's arithmetic.

The code behind an answer is found by `code`.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from speechclean.system import parallel
from speechclean.system.hardware import cpu_model


def samples(tensor: Tensor) -> str:
    """The sha256 of a tensor's shape and values."""
    rows = tensor.detach().cpu().contiguous()
    return hashlib.sha256(f"{tuple(rows.shape)}".encode() + rows.numpy().tobytes()).hexdigest()


def arithmetic(device: torch.device, threads: int) -> str:
    """The class of machine that rounds alike.

    That is the GPU and its libraries, or the CPU, its instruction set and the `threads` that share
    a sum.
    """
    if device.type == "cuda":
        name, cuda = torch.cuda.get_device_name(device), torch.version.cuda
        return f"{name} {cuda} {torch.backends.cudnn.version()}"
    return f"{cpu_model()} {torch.backends.cpu.get_cpu_capability()} {threads}"


def threads_per_piece() -> int:
    """How many threads share a sum in the pieces of work that `parallel.ordered` starts from here.

    To be asked before `ordered` is entered, within which torch's threads are divided already.
    """
    threads = torch.get_num_threads()
    return threads if parallel.beside() > 1 else threads // parallel.at_once()
