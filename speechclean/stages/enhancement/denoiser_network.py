"""Networks of the denoiser family, loaded."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from speechclean.networks import checkpoints
from speechclean.system import allocator

#: Published checkpoints are bare states; their networks differ from the defaults of
#: `denoiser.demucs.Demucs` only in width.
HIDDEN = {"dns48": 48, "dns64": 64, "master64": 64}


@lru_cache(maxsize=2)
def loaded(model: str, path: Path, device: torch.device, stamp: int) -> Any:  # noqa: ARG001
    """The network, loaded once in a process.

    The `stamp` of the file makes sure that a file that has changed is loaded again.
    """
    package = checkpoints.read(path)
    if model in HIDDEN:
        from denoiser.demucs import Demucs

        package = {
            "klass": Demucs,
            "args": (),
            "kwargs": {"hidden": HIDDEN[model]},
            "state": package,
        }
    network: Any = checkpoints.build(package, path)
    # Normalisation is done for whole files, by `Denoiser`.
    network.normalizes, network.normalize = network.normalize, False
    if device.type == "cpu":
        allocator.suit(network)
    return network.to(device)
