"""What STOI, PESQ or SI-SDR would be, guessed without a reference."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from speechclean.audio.waveform import resample
from speechclean.networks.checkpoints import CheckpointError, freeze, read
from speechclean.networks.weights import MissingWeights, published_file
from speechclean.stages.types import Separation, Track
from speechclean.system.borrowed import unchanged_random_state
from speechclean.system.device import torch_device
from speechclean.system.paths import expanded

_RATE = 16000
#: In the order of the network's answers.
SCORES = ("stoi", "pesq", "si_sdr")


@dataclass(frozen=True)
class Squim:
    """A network's guess of STOI (0 to 1), PESQ (1 to 4.5) or SI-SDR (dB) without a reference.

    TorchAudio-SQUIM (Kumar et al., ICASSP 2023). Trained on noisy speech of DNS 2020 at 16 kHz:
    music is not what it knows best.

    score: `stoi`, `pesq` or `si_sdr`
    model: `squim_objective`, the published one, or a `.pth` file of the same format
    window_s: longer sounds are judged in windows of this length, weighed by their duration; bounds
        memory

    Channels are averaged to mono. None for silence and for less than a quarter of a second.
    """

    score: str = "stoi"
    model: str = "squim_objective"
    window_s: float = 10.0
    device: str = "auto"

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = True
    reads_mask: ClassVar[bool] = False
    needs_packages: ClassVar[tuple[str, ...]] = ("torchaudio",)

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise ValueError(f"score={self.score!r} must be one of {', '.join(SCORES)}")
        if self.window_s < 1:
            raise ValueError(f"window_s={self.window_s} must be at least 1 second")
        torch_device(self.device)

    def weight_files(self) -> dict[str, Path]:
        """The file that would be loaded. Raises `MissingWeights`, before anything is loaded."""
        return {"squim_objective": self._file}

    def load(self) -> None:
        """Load the network now. Raises `CheckpointError`, `MissingWeights`."""
        _network(self._file, str(torch_device(self.device)))

    @torch.inference_mode()
    def __call__(self, separation: Separation, track: Track) -> float | None:  # noqa: ARG002
        """The guess, in the unit of what is guessed."""
        waveform = resample(separation.speech.mono(), _RATE).waveform.detach()
        least = _RATE // 4
        if not waveform.any() or waveform.shape[-1] < least:
            return None
        device = torch_device(self.device)
        network = _network(self._file, str(device))
        pieces = [
            piece
            for piece in waveform.to(device).split(round(self.window_s * _RATE), -1)
            if piece.shape[-1] >= least
        ]
        values = torch.tensor([float(network(piece)[SCORES.index(self.score)]) for piece in pieces])
        lengths = torch.tensor([float(piece.shape[-1]) for piece in pieces])
        mean = float((values * lengths).sum() / lengths.sum())
        return mean if abs(mean) < float("inf") else None

    @functools.cached_property
    def _file(self) -> Path:
        if self.model == "squim_objective":
            return published_file(self.model)
        path = expanded(self.model)
        if path.is_file():
            return path
        raise MissingWeights(f"{self.model}: neither a file nor squim_objective")


@functools.cache
def _network(path: Path, device: str) -> Any:
    from torchaudio.models import squim_objective_base

    with unchanged_random_state():
        network = squim_objective_base()
    try:
        network.load_state_dict(read(path))
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: not a checkpoint of SQUIM's objective network ({str(error)[:300]})"
        ) from error
    return freeze(network).to(device)
