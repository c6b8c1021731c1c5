"""How good speech would sound to listeners, by a small network taught by a large one."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from speechclean.audio.waveform import resample
from speechclean.networks.weights import published_file
from speechclean.stages.types import Separation, Track
from speechclean.system.device import torch_device

from .distillmos_network import WINDOW, load
from .reference import is_silent
from .windows import over_windows

RATE = 16000
#: Less than this is no speech that could be judged.
LEAST_S = 0.25


@dataclass(frozen=True)
class DistillMos:
    """Mean opinion score by DistillMOS, 1 to 5: how good speech would sound to listeners.

    Stahl and Gamper, "Distillation and Pruning for Scalable Self-Supervised Representation-Based
    Speech Quality Assessment", ICASSP 2025. It hears up to 8 kHz.

    hop_s: windows of 7.68 s, evenly spread, begin so many seconds apart, at most; 1 is as
        published. Shorter sounds are followed by silence
    batch_size: windows in one forward pass on a GPU

    Channels are averaged to mono; the level has no say. None for silence and for less than a
    quarter of a second.
    """

    hop_s: float = 3.0
    batch_size: int = 16
    device: str = "auto"

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = True
    reads_mask: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0.1 <= self.hop_s <= WINDOW / RATE:
            raise ValueError(f"hop_s={self.hop_s} must be from 0.1 to {WINDOW / RATE} seconds")
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size} must be 1 or more")
        torch_device(self.device)

    def weight_files(self) -> dict[str, Path]:
        """The file that would be loaded. Raises `MissingWeights`, before anything is loaded."""
        return {"distillmos": self._file}

    def load(self) -> None:
        """Load the network now. Raises `CheckpointError`, `MissingWeights`."""
        load(self._file, str(torch_device(self.device)))

    @torch.inference_mode()
    def __call__(self, separation: Separation, track: Track) -> float | None:  # noqa: ARG002
        """The score."""
        audio = separation.speech
        if is_silent(audio) or audio.seconds < LEAST_S or not audio.waveform.isfinite().all():
            return None
        device = torch_device(self.device)
        sound = resample(audio.mono(), RATE).waveform[0].detach().to(device)
        sound = torch.nn.functional.pad(sound, (0, max(0, WINDOW - len(sound))))
        beyond = len(sound) - WINDOW
        gaps = math.ceil(beyond / (self.hop_s * RATE))
        starts = [int(beyond * i / gaps) for i in range(gaps + 1)] if gaps else [0]
        network = load(self._file, str(device))
        values = over_windows(network, sound, starts, WINDOW, self.batch_size)
        return float(values.double().mean())

    @functools.cached_property
    def _file(self) -> Path:
        return published_file("distillmos")
