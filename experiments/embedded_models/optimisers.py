"""Optimisers of the trainings.

Two of them follow one schedule; DiffQ's noise is added where it is asked for; an average of the
weights is what ships.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from experiments.embedded_models.muon import Muon, split_parameters
from experiments.embedded_models.quantise import attach


def rate(progress: float, warm: float = 0.02) -> float:
    """Share of the peak learning rate at `progress` in 0..1.

    Linear warm-up, then a cosine down to 1 %.
    """
    if progress < warm:
        return progress / warm
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm) / (1 - warm))))


class Average:
    """Exponential moving average of the weights; short at first, `decay` later."""

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self.decay, self.steps = decay, 0
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def update(self, model: nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (20 + self.steps))
        for name, value in model.state_dict().items():
            self.state[name].lerp_(value, 1 - decay) if value.is_floating_point() else self.state[
                name
            ].copy_(value)


@dataclass
class Learner:
    """A model and everything that its next step depends on."""

    model: nn.Module
    muon_lr: float
    lr: float
    diffq: float = 0.0

    def __post_init__(self) -> None:
        matrices, rest = split_parameters(self.model)
        groups: list[dict[str, Any]] = [{"params": matrices, "peak": self.muon_lr}]
        self.muon = Muon(groups)
        self.adamw = torch.optim.AdamW(
            [{"params": rest, "peak": self.lr}], lr=self.lr, betas=(0.9, 0.98), weight_decay=0.0
        )
        self.quantizer = attach(self.model) if self.diffq else None
        if self.quantizer:
            # a few hundred steps: 8 bits can become 6, not 2
            self.quantizer.setup_optimizer(self.adamw, peak=5e-3)
        self.average = Average(self.model)

    def step(self, loss: Tensor, progress: float) -> bool:
        """One update at `progress` in 0..1; whether it was made.

        It is not where a gradient is not finite.
        """
        for group in self.muon.param_groups + self.adamw.param_groups:
            group["lr"] = rate(progress) * group["peak"]
        self.model.zero_grad()
        (loss + self.diffq * self.quantizer.model_size() if self.quantizer else loss).backward()
        if not torch.isfinite(nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)):
            return False
        self.muon.step()
        self.adamw.step()
        self.average.update(self.model)
        return True

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state,
            "muon": self.muon.state_dict(),
            "adamw": self.adamw.state_dict(),
        }

    def load(self, last: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.model.load_state_dict(last["model"])
        self.muon.load_state_dict(last["muon"])
        self.adamw.load_state_dict(last["adamw"])
        self.average.steps = last["step"]
        for name, value in last["average"].items():
            self.average.state[name].copy_(value)
