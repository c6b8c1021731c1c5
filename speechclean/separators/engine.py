"""Run one network of the demucs family over many waveforms: segments of all files and shifts in common forward passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from . import segments
from .segments import OverlapAdd, Segment

#: What the source that carries the voice is called: here, and in models for music.
SPEECH_SOURCES = ("speech", "vocals")


@dataclass(frozen=True)
class Network:
    """One network of a bag: the module, its share in each source's estimate, its segment in samples, its signature.

    `limits` remembers, by input length, how many inputs the memory of a GPU held at once where it did not hold all.
    """

    module: Any
    shares: tuple[float, ...]
    segment: int
    signature: str
    limits: dict[int, int] = field(default_factory=dict)

    @property
    def speech(self) -> int:
        """Index of the source that carries the voice."""
        return next(self.module.sources.index(name) for name in SPEECH_SOURCES if name in self.module.sources)

    def answer(self, heard: Tensor) -> Tensor:
        """The network's share of the speech and of the sum of the other sources.

        Shape: `[batch, channels, samples]` -> `[batch, 2, channels, samples]`. A batch that memory does not hold goes through
        in halves, and so do later ones of its size.
        """
        limit = self.limits.get(heard.shape[-1], len(heard))
        if len(heard) > limit:
            return torch.cat([self.answer(part) for part in heard.split(limit)])
        try:
            sources = self.module(heard)
        except torch.OutOfMemoryError:
            if len(heard) == 1:
                raise
            self.limits[heard.shape[-1]] = len(heard) // 2
            sources = None
        if sources is None:  # only out here nothing of the failed pass is alive any more
            torch.cuda.empty_cache()
            return self.answer(heard)
        weighted = sources * torch.tensor(self.shares, device=sources.device)[:, None, None]
        speech = weighted[:, self.speech]
        return torch.stack([speech, weighted.sum(1) - speech], 1)

    def input_length(self, segment: Segment) -> int:
        """How many samples the network is given for a segment."""
        if getattr(self.module, "use_train_segment", False):
            return int(self.module.segment * self.module.samplerate)  # HTDemucs hears its training length, always
        # HDemucs takes any length, but a tail of a few samples breaks the reflection at its STFT's ends.
        return max(segment.length, 4 * self.module.nfft)


@dataclass(frozen=True)
class Schedule:
    """How waveforms are passed through a network: `shifts` passes, `overlap` of segments, `batch_size`, `seed` of offsets."""

    shifts: int
    overlap: float
    batch_size: int
    seed: int

    def offsets(self, network: Network, content: str) -> list[int | None]:
        """Where each pass over an input of this `content` starts, in samples of shift; `[None]`: one pass without a shift."""
        if not self.shifts:
            return [None]
        longest = int(segments.MAX_SHIFT_S * network.module.samplerate)
        return [segments.shift_offset(self.seed, network.signature, content, k, longest) for k in range(self.shifts)]


def run(network: Network, waveforms: Sequence[Tensor], contents: Sequence[str], schedule: Schedule) -> list[Tensor]:
    """Mean over the shifts, times the network's shares: speech and the sum of the other sources, per waveform.

    Shape: each `[channels, samples]` -> `[2, channels, samples]`. Segments of one length share forward passes. `contents` are
    the fingerprints of the inputs.
    """
    longest = int(segments.MAX_SHIFT_S * network.module.samplerate)
    jobs: dict[int, list[tuple[Tensor, OverlapAdd, Segment]]] = {}
    passes: list[list[OverlapAdd]] = []
    for waveform, content in zip(waveforms, contents, strict=True):
        passes.append([])
        for offset in schedule.offsets(network, content):
            gathered = OverlapAdd((2, *waveform.shape), network.segment, waveform.device)
            passes[-1].append(gathered)
            for segment in segments.plan(waveform.shape[-1], offset, longest, network.segment, schedule.overlap):
                jobs.setdefault(network.input_length(segment), []).append((waveform, gathered, segment))
    for length, same in jobs.items():
        for batch in segments.batches(same, schedule.batch_size):
            heard = torch.stack([segments.cut(waveform, segment, length) for waveform, _, segment in batch])
            for (_, gathered, segment), answer in zip(batch, network.answer(heard), strict=True):
                begin = segments.margin(segment, length)
                gathered.add(segment, answer[..., begin : begin + segment.length])
    return [torch.stack([gathered.mean() for gathered in shifts]).mean(0) for shifts in passes]
