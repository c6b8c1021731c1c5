"""DNSMOS: how good speech, background and the whole would sound to listeners, without a reference.

Two networks of its authors, as they published them: one for ITU-T P.835 (signal, background,
overall: Reddy, Gopal and Cutler, "DNSMOS P.835", ICASSP 2022), one for P.808 (Reddy, Gopal and
Cutler, "DNSMOS", ICASSP 2021). What is around them, windows, features and calibration, follows
`dnsmos_local.py` of github.com/microsoft/DNS-Challenge and comes to the same numbers.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from speechclean.audio.waveform import Audio, resample
from speechclean.networks.onnx import Graph, session
from speechclean.networks.weights import published_files
from speechclean.stages.types import Separation, Track
from speechclean.system.device import torch_device

from .mel import mel_spectrum
from .memo import Memo
from .reference import is_silent
from .windows import over_windows, thinned

RATE = 16000
#: What the networks hear at once: 9.01 s.
WINDOW = 144160
#: Less than this is no speech that could be judged, however often it is repeated.
LEAST_S = 0.25
#: From what the P.835 network says to opinion scores: coefficients of the square, the value and 1,
#: fitted by its authors; signal, background, overall.
CALIBRATION = (
    (-0.08397278, 1.22083953, 0.0052439),
    (-0.13166888, 1.60915514, -0.39604546),
    (-0.06766283, 1.11546468, 0.04602535),
)
SIGNAL, BACKGROUND, OVERALL = range(3)

_memo: Memo[list[float]] = Memo(one_at_a_time=False)


@dataclass(frozen=True)
class UsesDnsmos:
    """What the metrics by DNSMOS share: all but which of the scores each is.

    hop_s: windows of 9.01 s begin so many seconds apart, at most; 1 is as published. Shorter sounds
        are repeated until they fill one
    batch_size: windows in one forward pass on a GPU

    Channels are averaged to mono. None for silence and for less than a quarter of a second.
    """

    needs_packages: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    network: ClassVar[str] = "p835"
    #: Which of the network's scores is the metric.
    score: ClassVar[int] = 0

    hop_s: int = 3
    batch_size: int = 16
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.hop_s < 1:
            raise ValueError(f"hop_s={self.hop_s} must be at least 1 second")
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size} must be 1 or more")
        torch_device(self.device)

    def weight_files(self) -> dict[str, Path]:
        """The file that would be loaded. Raises `MissingWeights`, before anything is loaded."""
        return {f"dnsmos {self.network}": self._file}

    def load(self) -> None:
        """Load the network now. Raises `CheckpointError`, `MissingWeights`."""
        session(self._file, str(torch_device(self.device)))

    def __call__(self, separation: Separation, track: Track) -> float | None:  # noqa: ARG002
        """The mean score of the speech."""
        opinions = self.opinions(separation.speech)
        return opinions[self.score] if opinions else None

    def opinions(self, audio: Audio) -> list[float] | None:
        """Scores from 1 to 5, means over the windows: P.835's three, or P.808's one."""
        if is_silent(audio) or audio.seconds < LEAST_S or not audio.waveform.isfinite().all():
            return None
        content = hashlib.sha256(audio.waveform.detach().cpu().contiguous().numpy().tobytes())
        device = str(torch_device(self.device))
        key = (content.digest(), audio.sample_rate, audio.channels, self._file, self.hop_s, device)

        def listen() -> list[float]:
            sound = filled(resample(audio.mono(), RATE).waveform[0].detach().to(device))
            judge = functools.partial(NETWORKS[self.network], session(self._file, device))
            starts = window_starts(len(sound), self.hop_s)
            values = over_windows(judge, sound, starts, WINDOW, self.batch_size)
            return [float(value) for value in values.mean(0)]

        return _memo(key, listen)

    @functools.cached_property
    def _file(self) -> Path:
        return published_files("dnsmos")[list(NETWORKS).index(self.network)]


def filled(sound: Tensor) -> Tensor:
    """A sound `[samples]`, doubled until it fills a window; within full scale."""
    while len(sound) < WINDOW:
        sound = torch.cat([sound, sound])
    return sound / sound.abs().amax().clamp(min=1)


def window_starts(samples: int, hop_s: int) -> list[int]:
    """Where windows begin: at whole seconds, as many as its authors count.

    The last second may be left out: so do they.
    """
    count = int(samples // RATE - WINDOW / RATE) + 1
    return thinned([second * RATE for second in range(max(1, count))], hop_s)


def _p835(graph: Graph, windows: Tensor) -> Tensor:
    """Opinion scores `[batch, 3]` of windows `[batch, WINDOW]`."""
    raw = graph.answer(windows).double()
    square, value, one = torch.tensor(CALIBRATION, dtype=torch.float64).T
    return raw.square() * square + raw * value + one


def _p808(graph: Graph, windows: Tensor) -> Tensor:
    """Opinion scores `[batch, 1]` of windows `[batch, WINDOW]`.

    Its features are mel levels of 80 dB below the window's loudest, scaled to -1..1.
    """
    power = mel_spectrum(windows[:, :-160], RATE, n_fft=321, hop=160, bands=120)
    decibels = 10 * power.clamp(min=1e-10).log10()
    below = (decibels - decibels.amax((1, 2), keepdim=True)).clamp(min=-80)
    return graph.answer((below + 40) / 40).double()


#: In the order of the published files.
NETWORKS = {"p835": _p835, "p808": _p808}
