"""The four arrows: separators -> fusion -> enhancement -> post-processing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from . import cores
from .audio import Audio
from .long_audio import LongAudio
from .separation import Separation, Stems


class Separator(Protocol):
    """What a pipeline wants of a separator."""

    @property
    def sample_rate(self) -> int: ...

    def __call__(self, mixtures: Sequence[Audio]) -> list[Stems]: ...

    def stream(self, sound: LongAudio) -> Iterator[Tensor]: ...


Fusion = Callable[[Audio, Mapping[str, Stems]], Separation]
Stage = Callable[[Separation], Separation]
#: Opened around each stage with its name, so that a runner can time them.
Clock = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True)
class Pipeline:
    """What a config composes; a mixture in, a `Separation` of the same rate, channels and length out."""

    separators: Mapping[str, Separator]
    fusion: Fusion
    enhancement: Stage
    postprocess: Mapping[str, Stage]
    device: torch.device

    def __call__(self, mixtures: Sequence[Audio], clock: Clock = lambda _: nullcontext()) -> list[Separation]:
        """Clean a ragged batch; each result is independent of what else is in it."""
        mixtures = [mixture.with_waveform(mixture.waveform.to(self.device)) for mixture in mixtures]
        answers: dict[str, list[Stems]] = {}
        for name, separator in self.separators.items():
            with clock(f"separators.{name}"):
                answers[name] = separator(mixtures)
        stems = ({name: one[index] for name, one in answers.items()} for index in range(len(mixtures)))
        pairs = zip(mixtures, stems, strict=True)
        on_cpu = self.device.type == "cpu"
        return [done for _, done in cores.ordered(lambda pair: self._finish(*pair, clock), pairs, parallel=on_cpu)]

    def _finish(self, mixture: Audio, stems: Mapping[str, Stems], clock: Clock) -> Separation:
        with clock("fusion"):
            separation = self.fusion(mixture, stems)
        with clock("enhancement"):
            separation = self.enhancement(separation)
        for name, stage in self.postprocess.items():
            with clock(f"postprocess.{name}"):
                separation = stage(separation)
        return separation.cpu()
