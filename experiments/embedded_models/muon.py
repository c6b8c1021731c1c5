"""Muon for convolutions and matrices, AdamW for the rest.

It makes more progress per step, where steps are scarce.

Momentum of every weight with two or more axes is made (nearly) orthogonal by five Newton-Schulz
iterations before it is applied (Jordan et al. 2024, "Muon"); the update's root mean square is
matched to AdamW's (Liu et al. 2025, "Muon is scalable for LLM training").
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


def orthogonal(matrix: Tensor, iterations: int = 5) -> Tensor:
    """`[rows, columns]` with its singular values pulled to about one."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Parameters are flattened to `[first axis, everything else]`; `lr` is on AdamW's scale."""

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 4e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Apply one update; gradients must be there."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                nesterov = weight.grad.lerp(state["momentum"], group["momentum"])
                update = orthogonal(nesterov.flatten(1))
                scale = 0.2 * max(update.shape) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update.view_as(weight), alpha=-group["lr"] * scale)


def split_parameters(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Parameters as (matrices for Muon, the rest for AdamW).

    Embeddings, biases, norms, scales and tiny weights are the rest.
    """
    matrices: list[Tensor] = []
    rest: list[Tensor] = []
    for name, weight in model.named_parameters():
        big = weight.ndim >= 2 and min(weight.flatten(1).shape) >= 8 and "emb" not in name
        (matrices if big else rest).append(weight)
    return matrices, rest
