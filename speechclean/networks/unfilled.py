"""Networks built without the random weights that a checkpoint would replace at once."""

from __future__ import annotations

from collections.abc import Callable

import torch

from speechclean.system.borrowed import unchanged_random_state


def unfilled(build: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """The network that `build` makes, on the CPU; its parameters hold nothing yet.

    Drawing random weights is most of what loading a large network takes. One that makes tensors of
    its own, which no state brings, is built as it is.
    """
    with torch.device("meta"):
        network = build()
    if not _keeps_tensors(network):
        return network.to_empty(device="cpu")
    with unchanged_random_state():
        return build()


def _keeps_tensors(network: torch.nn.Module) -> bool:
    """Whether it holds tensors that are no part of its state."""
    state = network.state_dict(keep_vars=True)
    if any(name not in state for name, _ in network.named_buffers()):
        return True
    return any(
        isinstance(value, torch.Tensor)
        for module in network.modules()
        for value in vars(module).values()
    )
