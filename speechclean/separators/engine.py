"""Run networks of the demucs family over many waveforms: segments of all files and shifts in common forward passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .. import cores
from . import precision, segments
from .segments import OverlapAdd, Segment

#: What the source that carries the voice is called: here, and in models for music.
SPEECH_SOURCES = ("speech", "vocals")


@dataclass(frozen=True)
class Network:
    """One network of a bag: the module, its share in each source's estimate, its segment in samples, its signature.

    `precision` is what a GPU computes in. `limits` remembers, by input length, how many inputs the memory of a GPU held at once
    where it did not hold all.
    """

    module: Any
    shares: tuple[float, ...]
    segment: int
    signature: str
    precision: str = "fp32"
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
            sources = precision.answer(self.module, heard, self.precision)
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


def alone_on_cpu(network: Network, heard: Tensor) -> Tensor:
    """`network.answer`, each item alone on a CPU: batches gain nothing there, and sums of another size round otherwise."""
    if heard.device.type != "cpu":
        return network.answer(heard)
    return torch.cat([network.answer(item) for item in heard.split(1)])


@dataclass(frozen=True)
class _Batch:
    """Segments of one network that share a forward pass over `length` samples; each has where it comes from and goes to."""

    network: Network
    length: int
    members: Sequence[tuple[Tensor, OverlapAdd, Segment]]

    def answer(self) -> Tensor:
        heard = torch.stack([segments.cut(waveform, one, self.length) for waveform, _, one in self.members])
        return alone_on_cpu(self.network, heard)

    def gather(self, answers: Tensor) -> None:
        for (_, gathered, segment), answer in zip(self.members, answers, strict=True):
            begin = segments.margin(segment, self.length)
            gathered.add(segment, answer[..., begin : begin + segment.length])


class _Pass:
    """One network over all waveforms: its batches, and the means over shifts once their answers are gathered."""

    def __init__(self, network: Network, waveforms: Sequence[Tensor], contents: Sequence[str], schedule: Schedule) -> None:
        longest = int(segments.MAX_SHIFT_S * network.module.samplerate)
        self._shifts: list[list[OverlapAdd]] = []
        same: dict[int, list[tuple[Tensor, OverlapAdd, Segment]]] = {}
        for waveform, content in zip(waveforms, contents, strict=True):
            self._shifts.append([])
            for offset in schedule.offsets(network, content):
                gathered = OverlapAdd((2, *waveform.shape), network.segment, waveform.device)
                self._shifts[-1].append(gathered)
                for segment in segments.plan(waveform.shape[-1], offset, longest, network.segment, schedule.overlap):
                    same.setdefault(network.input_length(segment), []).append((waveform, gathered, segment))
        self.batches = [
            _Batch(network, length, members)
            for length, jobs in same.items()
            for members in segments.batches(jobs, schedule.batch_size)
        ]

    def means(self) -> list[Tensor]:
        return [torch.stack([gathered.mean() for gathered in shifts]).mean(0) for shifts in self._shifts]


def run(networks: Sequence[Network], waveforms: Sequence[Tensor], contents: Sequence[str], schedule: Schedule) -> list[Tensor]:
    """Mean over the shifts, summed over the networks by their shares: speech and the other sources' sum, per waveform.

    Shape: each `[channels, samples]` -> `[2, channels, samples]`. Segments of one length share forward passes; on a CPU, passes
    of whatever network and file run side by side. `contents` are the fingerprints of the inputs.
    """
    sums = [torch.zeros(2, *waveform.shape, device=waveform.device) for waveform in waveforms]

    def batches() -> Iterator[tuple[_Pass, _Batch]]:
        for network in networks:  # planned when their turn comes: what gathers a pass is as large as its stems
            one = _Pass(network, waveforms, contents, schedule)
            yield from ((one, batch) for batch in one.batches)

    on_cpu = all(waveform.device.type == "cpu" for waveform in waveforms)
    for (one, batch), answers in cores.ordered(lambda item: item[1].answer(), batches(), parallel=on_cpu):
        batch.gather(answers)
        if batch is one.batches[-1]:
            for total, mean in zip(sums, one.means(), strict=True):
                total += mean
    return sums
