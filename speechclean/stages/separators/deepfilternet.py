"""DeepFilterNet3 on the mixture: a speech enhancer as a separator.

Schröter, Rosenkranz, Escalante-B. & Maier, "DeepFilterNet: Perceptually Motivated Real-Time Speech
Enhancement" (Interspeech 2023). It was trained to take noise away, and takes most music for noise.
Its speech is the mixture under a gain and short filters, so fusion takes its gain (`is_gain`), and
the music is what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from speechclean.audio.stream import Forward, LongAudio
from speechclean.audio.waveform import Audio, resample
from speechclean.networks.cache import Cache, NoCache
from speechclean.networks.deepfilternet.answers import DeepFilterNet, check_knobs
from speechclean.networks.deepfilternet.features import RATE
from speechclean.stages.types import Stems
from speechclean.system.device import torch_device


@dataclass(frozen=True)
class DeepFilterSeparator:
    """DeepFilterNet3 on each channel by itself, at 48 kHz.

    level_db: root mean square at which the network hears each channel, in dBFS; None: as it is. By
        itself it takes a voice at -50 dBFS for silence
    edge_context_s: how much of the sound, reflected, the network hears beyond its ends
    """

    is_gain: ClassVar[bool] = True

    level_db: float | None = -20.0
    device: str = "auto"
    edge_context_s: float = 0.0

    def __post_init__(self) -> None:
        check_knobs(self.level_db, self.edge_context_s)
        torch_device(self.device)

    def weight_files(self) -> dict[str, Path]:
        """The published files. Raises `MissingWeights`, before anything is loaded."""
        return self._network.weight_files

    @property
    def sample_rate(self) -> int:
        """Rate of the stems, in Hz; loads the network."""
        self._network.load()
        return RATE

    def __call__(self, mixtures: Sequence[Audio]) -> list[Stems]:
        """Stems at 48 kHz, one per mixture, each on its mixture's device."""
        return self._answer(mixtures, NoCache())

    def reusing(self, cache: Cache) -> Callable[[Sequence[Audio]], list[Stems]]:
        """The same separator, with its network's answers cached: the same samples, bit by bit."""
        return partial(self._answer, cache=cache)

    def stream(self, sound: LongAudio) -> Iterator[Tensor]:
        """Speech and music of a sound too long for memory, at 48 kHz: `[2, channels, some]`."""
        heard, done = Forward(sound.at_rate(RATE)), 0
        for speech in self._network.stream(sound):
            mixture = heard.read(done, done + speech.shape[-1]).to(speech.device)
            done += speech.shape[-1]
            yield torch.stack([speech, mixture - speech])

    @torch.inference_mode()
    def _answer(self, mixtures: Sequence[Audio], cache: Cache) -> list[Stems]:
        heard = [resample(mixture, RATE) for mixture in mixtures]
        answers = self._network([audio.waveform for audio in heard], cache)
        return [
            Stems(
                audio.with_waveform(speech.to(audio.waveform.device)),
                audio.with_waveform(audio.waveform - speech.to(audio.waveform.device)),
                self.is_gain,
            )
            for audio, speech in zip(heard, answers, strict=True)
        ]

    @cached_property
    def _network(self) -> DeepFilterNet:
        return DeepFilterNet(self.device, self.level_db, self.edge_context_s)
