"""Where tensors live: `auto` is the GPU where there is one."""

from __future__ import annotations

import torch


def torch_device(device: str) -> torch.device:
    """`auto` (CUDA if present, else the CPU) or any name torch knows.

    Raises `ValueError` for a device that is not there.

    >>> torch_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"device={device!r} is not a device torch knows; use auto, cpu or cuda"
        ) from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={device!r}, but torch sees no CUDA GPU here; use device=auto or device=cpu"
        )
    return resolved
