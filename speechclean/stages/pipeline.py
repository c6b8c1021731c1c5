"""The four arrows: separators -> fusion -> enhancement -> post-processing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from speechclean.audio.dc_offset import significant
from speechclean.audio.waveform import Audio
from speechclean.networks.cache import Cache, NoCache
from speechclean.system import parallel

from .types import Clock, Fusion, Reusing, Separation, Separator, Stage, Stems, Watch


@dataclass(frozen=True)
class Pipeline:
    """What a config composes: mixtures in, `Separation`s of the same rate, channels and length out.

    `cache` holds what networks have answered before; what it does not hold is computed. A constant
    offset of a channel above `dc_offset_above` (of full scale) is no part of what the stages hear,
    nor of the speech: it stays with the residual. `alternatives` are fusions besides, each followed
    by the same stages: what they make are a separation's `others`. A stream has none.
    """

    separators: Mapping[str, Separator]
    fusion: Fusion
    enhancement: Stage
    postprocess: Mapping[str, Stage]
    device: torch.device
    cache: Cache = field(default_factory=NoCache)
    dc_offset_above: float | None = None
    alternatives: Mapping[str, Fusion] = field(default_factory=dict)

    def __call__(
        self,
        mixtures: Sequence[Audio],
        clock: Clock = lambda _: nullcontext(),
        watch: Watch = lambda *_: None,
    ) -> list[Separation]:
        """Clean a ragged batch; each result is independent of what else is in it.

        `watch` is called with what each stage made.
        """
        mixtures = [mixture.with_waveform(mixture.waveform.to(self.device)) for mixture in mixtures]
        whole, mixtures = mixtures, [self._centred(mixture) for mixture in mixtures]
        answers: dict[str, list[Stems]] = {}
        for name, separator in self.separators.items():
            with clock(f"separators.{name}"):
                answers[name] = self._reusing(separator)(mixtures)
            for index, stems in enumerate(answers[name]):
                watch(
                    index,
                    f"separators.{name}",
                    torch.cat([stems.speech.waveform, stems.music.waveform]),
                )

        def finish(index: int) -> Separation:
            stems = {name: one[index] for name, one in answers.items()}
            fused = partial(self._finish, mixtures[index], stems, clock)
            done = fused(self.fusion, partial(watch, index))
            others = {name: fused(fusion, _unwatched) for name, fusion in self.alternatives.items()}
            return replace(done, others=others).of(whole[index]).cpu()

        on_cpu = self.device.type == "cpu"
        return [done for _, done in parallel.ordered(finish, range(len(mixtures)), parallel=on_cpu)]

    def _centred(self, mixture: Audio) -> Audio:
        """A mixture without its offset; the same one where that is none."""
        offset = significant(mixture.waveform, mixture.sample_rate, self.dc_offset_above)
        return mixture if offset is None else mixture.with_waveform(mixture.waveform - offset)

    def _finish(
        self,
        mixture: Audio,
        stems: Mapping[str, Stems],
        clock: Clock,
        fusion: Fusion,
        watch: Callable[[str, Tensor], None],
    ) -> Separation:
        with clock("fusion"):
            separation = fusion(mixture, stems)
        watch("fusion", separation.speech.waveform)
        for name, stage in {"enhancement": self.enhancement, **self._named_postprocess()}.items():
            with clock(name):
                separation = self._reusing(stage)(separation)
            watch(name, separation.speech.waveform)
        return separation

    def _reusing(self, stage: Callable[..., Any]) -> Callable[..., Any]:
        return stage.reusing(self.cache) if isinstance(stage, Reusing) else stage

    def _named_postprocess(self) -> dict[str, Stage]:
        return {f"postprocess.{name}": stage for name, stage in self.postprocess.items()}


def _unwatched(stage: str, waveform: Tensor) -> None:
    """Nobody watches what alternatives make: of one file there is one row of fingerprints."""
