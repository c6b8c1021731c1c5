"""How much the checks of a GPU do, and what they say of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from tests.support import random_weights

PRECISIONS = ("fp32", "tf32", "fp16")
SHORTEST_S, LONGEST_S = 3, 10


@dataclass(frozen=True)
class Row:
    """One line of the table: what was tried, what came of it, whether that is as it should be."""

    what: str
    found: str
    good: bool | None = None

    def cells(self) -> str:
        word = {True: "yes", False: "NO", None: ""}[self.good]
        return f"| {self.what} | {self.found} | {word} |"


@dataclass(frozen=True)
class Job:
    """Where and how much: clips of 3 to 10 s, passes over each, a training's seconds."""

    device: torch.device
    work: Path
    clips: int
    shifts: int
    training_s: float

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def precisions(self) -> tuple[str, ...]:
        return PRECISIONS if self.on_gpu else PRECISIONS[:1]


def waveforms(job: Job, channels: int, rate: int) -> list[torch.Tensor]:
    """As many clips, of lengths spread evenly from the shortest to the longest; noise."""
    draw = torch.Generator().manual_seed(0)
    step = (LONGEST_S - SHORTEST_S) / max(1, job.clips - 1)
    lengths = [int((SHORTEST_S + index * step) * rate) for index in range(job.clips)]
    return [0.1 * torch.randn(channels, length, generator=draw) for length in lengths]


def heavy(job: Job) -> Path:
    """The published architectures with random weights, written once."""
    folder = job.work / "heavy"
    if not (folder / "dns64.th").exists():
        random_weights.write(folder)
    return folder
