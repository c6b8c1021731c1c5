"""DeepFilterNet3 on the speech estimate, used as a gain.

Schröter, Rosenkranz, Escalante-B. & Maier, "DeepFilterNet: Perceptually Motivated Real-Time Speech
Enhancement" (Interspeech 2023). Measured on unseen mixtures, it adds little after a separator,
where it hears what that has left; as a separator on the mixture itself it adds a lot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from torch import Tensor

from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio, resample
from speechclean.networks.cache import Cache, NoCache
from speechclean.networks.deepfilternet.answers import DeepFilterNet, check_knobs
from speechclean.networks.deepfilternet.features import RATE
from speechclean.stages.types import Separation
from speechclean.system.device import torch_device

from . import gain


@dataclass(frozen=True)
class DeepFilterEnhancement:
    """DeepFilterNet3 whose gain is mixed in.

    wet: 0 leaves the speech as it is, 1 applies the whole gain
    window_s: STFT window of the gain in seconds; short, as it follows the syllables
    level_db: root mean square at which the network hears each channel, in dBFS; None: as it is. By
        itself it takes a voice at -50 dBFS for silence
    edge_context_s: how much of the sound, reflected, the network hears beyond its ends
    """

    wet: float = 0.5
    window_s: float = 0.032
    level_db: float | None = -20.0
    device: str = "auto"
    edge_context_s: float = 0.0

    def __post_init__(self) -> None:
        gain.check(self.wet, self.window_s)
        check_knobs(self.level_db, self.edge_context_s)
        torch_device(self.device)

    def weight_files(self) -> dict[str, Path]:
        """The files that would be loaded; none with wet=0.

        Raises `MissingWeights`; nothing is loaded.
        """
        return self._network.weight_files if not self.idle else {}

    @property
    def idle(self) -> bool:
        """Whether it changes nothing, and needs no network."""
        return not self.wet

    @property
    def sample_rate(self) -> int:
        """Rate that the network works at, in Hz; loads it."""
        self._network.load()
        return RATE

    def __call__(self, separation: Separation) -> Separation:
        """The speech estimate, enhanced; the same length, rate and channels."""
        return self._enhanced(separation, NoCache())

    def reusing(self, cache: Cache) -> Callable[[Separation], Separation]:
        """The same, with the network's answers cached: they do not depend on `wet`."""
        return partial(self._enhanced, cache=cache)

    def _enhanced(self, separation: Separation, cache: Cache) -> Separation:
        if self.idle or not separation.speech.waveform.any():
            return separation
        heard = resample(separation.speech, RATE)
        (answer,) = self._network([heard.waveform], cache)
        return self.apply(separation, heard.with_waveform(answer))

    def stream(self, speech: LongAudio) -> Iterator[Tensor]:
        """The network's own output at 48 kHz for a sound too long for memory, in order.

        Shape of the pieces: `[channels, some]`.
        """
        return self._network.stream(speech)

    def apply(self, separation: Separation, denoised: Audio) -> Separation:
        """Mix in the gain from the speech estimate to the network's output for it."""
        if self.idle:
            return separation
        rate = separation.speech.sample_rate
        heard_hz = gain.HEARD * RATE / 2 if rate > RATE else rate / 2
        return gain.mixed_in(separation, denoised, self.wet, self.window_s, heard_hz)

    @cached_property
    def _network(self) -> DeepFilterNet:
        return DeepFilterNet(self.device, self.level_db, self.edge_context_s)
