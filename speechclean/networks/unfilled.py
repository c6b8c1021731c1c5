"""Networks built without the random weights that a checkpoint would replace at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

from speechclean.system.borrowed import unchanged_random_state

#: What fills a tensor with random numbers, in place.
DRAWS = frozenset(
    {
        Tensor.uniform_,
        Tensor.normal_,
        init.uniform_,
        init.normal_,
        init.trunc_normal_,
        init.xavier_uniform_,
        init.xavier_normal_,
        init.kaiming_uniform_,
        init.kaiming_normal_,
        init.orthogonal_,
    }
)


def unfilled(build: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """The network that `build` makes; what would be random in it is whatever the memory held.

    Drawing random weights is most of what loading a large network takes. Only for a network all of
    whose parameters are loaded. (Torch's device `meta` holds nothing either, but imports a compiler
    for some operations, which takes longer than building any network here.)
    """
    with unchanged_random_state(), _NothingDrawn():
        return build()


class _NothingDrawn(TorchFunctionMode):
    """Within it, in this thread, what would be filled with random numbers stays as it is."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in DRAWS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
