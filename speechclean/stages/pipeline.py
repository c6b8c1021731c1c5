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

from .types import Clock, Fusion, Reusing, Separation, Separator, Stage, Stems, Together, Watch


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

        def finish(files: Sequence[int]) -> list[Separation]:
            stems = [{name: one[index] for name, one in answers.items()} for index in files]
            heard = [mixtures[index] for index in files]

            def watched(place: int, stage: str, waveform: Tensor) -> None:
                watch(files[place], stage, waveform)

            fused = partial(self._finish, heard, stems, clock)
            done = fused(self.fusion, watched)
            others = {name: fused(fusion, _unwatched) for name, fusion in self.alternatives.items()}
            return [
                replace(one, others={name: own[place] for name, own in others.items()})
                .of(whole[index])
                .cpu()
                for place, (index, one) in enumerate(zip(files, done, strict=True))
            ]

        on_cpu = self.device.type == "cpu"
        finished = parallel.ordered(finish, self._groups(len(mixtures)), parallel=on_cpu)
        return [one for _, done in finished for one in done]

    def _groups(self, files: int) -> Sequence[Sequence[int]]:
        """Files that go from stage to stage together: on a CPU each is a core's, on a GPU all."""
        return [[index] for index in range(files)] if self.device.type == "cpu" else [range(files)]

    def _centred(self, mixture: Audio) -> Audio:
        """A mixture without its offset; the same one where that is none."""
        offset = significant(mixture.waveform, mixture.sample_rate, self.dc_offset_above)
        return mixture if offset is None else mixture.with_waveform(mixture.waveform - offset)

    def _finish(
        self,
        mixtures: Sequence[Audio],
        stems: Sequence[Mapping[str, Stems]],
        clock: Clock,
        fusion: Fusion,
        watch: Watch,
    ) -> list[Separation]:
        """All that follows the separators, for some files; `watch` is told their place in these."""
        with clock("fusion"):
            done = [fusion(*pair) for pair in zip(mixtures, stems, strict=True)]
        _show("fusion", done, watch)
        for name, stage in {"enhancement": self.enhancement, **self._named_postprocess()}.items():
            with clock(name):
                if isinstance(stage, Together):
                    done = stage.together(done, self.cache)
                else:
                    done = [self._reusing(stage)(one) for one in done]
            _show(name, done, watch)
        return done

    def _reusing(self, stage: Callable[..., Any]) -> Callable[..., Any]:
        return stage.reusing(self.cache) if isinstance(stage, Reusing) else stage

    def _named_postprocess(self) -> dict[str, Stage]:
        return {f"postprocess.{name}": stage for name, stage in self.postprocess.items()}


def _show(stage: str, separations: Sequence[Separation], watch: Watch) -> None:
    for place, one in enumerate(separations):
        watch(place, stage, one.speech.waveform)


def _unwatched(place: int, stage: str, waveform: Tensor) -> None:
    """Nobody watches what alternatives make: of one file there is one row of fingerprints."""
