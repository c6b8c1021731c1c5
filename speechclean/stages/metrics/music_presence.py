"""How sure a sound tagger is that there is music."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from speechclean.audio.waveform import Audio, resample
from speechclean.networks.checkpoints import CheckpointError, freeze, read
from speechclean.networks.weights import MissingWeights, published_file
from speechclean.stages.types import Separation, Track
from speechclean.system.borrowed import module_of, unchanged_random_state
from speechclean.system.device import torch_device
from speechclean.system.paths import expanded
from speechclean.system.resources import asset

_RATE = 32000
#: Windows shorter than this are padded: the network halves its time axis five times and fails on
#: less.
_LEAST_S = 1.0
STATISTICS = ("mean", "max")
#: AudioSet's classes (Gemmeke et al., "Audio Set", ICASSP 2017), of which Cnn14 answers for all, in
#: AudioSet's order.
CLASSES = 527
#: Those of them that are music, from AudioSet's `class_labels_indices.csv` (CC-BY-4.0):
#: instruments, genres, roles and moods. Singing (27 to 36) is not among them: a voice is what is to
#: stay.
LABELS = asset("audioset_music.csv")


@functools.cache
def music_classes() -> dict[int, str]:
    """Names of the classes that are music, by their index in the network's answer."""
    with LABELS.open(newline="") as file:
        return {int(row["index"]): row["display_name"] for row in csv.DictReader(file)}


@dataclass(frozen=True)
class MusicPresence:
    """Probability of music by PANNs' Cnn14, 0 to 1.

    Of each window the likeliest music class, over the windows their `statistic`. Kong et al.,
    "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition", IEEE/ACM
    TASLP 2020.

    model: `panns-cnn14`, the published one, or a `.pth` file in its format
    statistic: `mean` over the windows, or `max`: whether there is music anywhere
    window_s: AudioSet's clips last 10 s, which is what the network was trained on
    batch_size: windows in one forward pass

    Windows lie end to end; the last one is padded with silence to a second, if it is shorter. None
    for silence.
    """

    model: str = "panns-cnn14"
    statistic: str = "mean"
    window_s: float = 10.0
    batch_size: int = 8
    device: str = "auto"

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = False
    reads_mask: ClassVar[bool] = False
    needs_packages: ClassVar[tuple[str, ...]] = ("panns_inference",)

    def __post_init__(self) -> None:
        if self.statistic not in STATISTICS:
            raise ValueError(f"statistic={self.statistic!r} must be one of {', '.join(STATISTICS)}")
        if self.window_s < _LEAST_S:
            raise ValueError(f"window_s={self.window_s} must be at least {_LEAST_S:g} second")
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size} must be 1 or more")
        torch_device(self.device)

    def weight_files(self) -> dict[str, Path]:
        """The file that would be loaded. Raises `MissingWeights`, before anything is loaded."""
        return {"panns-cnn14": self._file}

    def load(self) -> None:
        """Load the network now. Raises `CheckpointError`, `MissingWeights`."""
        _network(self._file, str(torch_device(self.device)))

    def __call__(self, separation: Separation, track: Track) -> float | None:  # noqa: ARG002
        """The probability, 0 to 1."""
        if not separation.speech.waveform.any():
            return None
        music = self.probabilities(separation.speech)[:, list(music_classes())].amax(1)
        return float(music.mean() if self.statistic == "mean" else music.max())

    @torch.inference_mode()
    def probabilities(self, audio: Audio) -> Tensor:
        """Of every class in every window: `[windows, 527]`, 0 to 1."""
        device = torch_device(self.device)
        network = _network(self._file, str(device))
        pieces = list(
            resample(audio.mono(), _RATE)
            .waveform[0]
            .detach()
            .to(device)
            .split(round(self.window_s * _RATE))
        )
        if len(pieces[-1]) < _LEAST_S * _RATE:
            pieces[-1] = torch.nn.functional.pad(
                pieces[-1], (0, round(_LEAST_S * _RATE) - len(pieces[-1]))
            )
        batches = [torch.stack(batch) for batch in _even(pieces, self.batch_size)]
        return torch.cat([network(batch)["clipwise_output"] for batch in batches]).cpu()

    @functools.cached_property
    def _file(self) -> Path:
        if self.model == "panns-cnn14":
            return published_file(self.model)
        path = expanded(self.model)
        if path.is_file():
            return path
        raise MissingWeights(f"{self.model}: neither a file nor panns-cnn14")


def _even(pieces: list[Tensor], size: int) -> list[list[Tensor]]:
    """Batches of at most `size` pieces of one length, in order."""
    batches: list[list[Tensor]] = []
    for piece in pieces:
        if batches and len(batches[-1]) < size and len(batches[-1][0]) == len(piece):
            batches[-1].append(piece)
        else:
            batches.append([piece])
    return batches


@functools.cache
def _network(path: Path, device: str) -> Any:
    package = read(path)
    network = architecture()
    try:
        network.load_state_dict(package["model"])
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of Cnn14 ({str(error)[:300]})") from error
    return freeze(network).to(device)


def architecture() -> Any:
    """Cnn14 as it was published, with random weights.

    Only the package's module of networks is imported: its `__init__` runs wget for its labels.
    """
    networks = module_of("panns_inference", "models")
    with unchanged_random_state():
        return networks.Cnn14(
            sample_rate=_RATE,
            window_size=1024,
            hop_size=320,
            mel_bins=64,
            fmin=50,
            fmax=14000,
            classes_num=CLASSES,
        )
