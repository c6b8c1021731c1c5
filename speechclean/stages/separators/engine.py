"""Run networks of the demucs family over many waveforms: segments of all files and shifts in common
forward passes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from speechclean.networks.cache import Cache, Cost, NoCache, keys
from speechclean.networks.checkpoints import CheckpointError
from speechclean.system import parallel

from . import precision, segments
from .segments import OverlapAdd, Segment

#: What the source that carries the voice is called: here, and in models for music.
SPEECH_SOURCES = ("speech", "vocals")


def speech_source(sources: Sequence[str], name: str) -> int:
    """Index of the source that carries the voice in what the model `name` separates. Raises
    `CheckpointError` if none does.
    """
    for source in SPEECH_SOURCES:
        if source in sources:
            return list(sources).index(source)
    raise CheckpointError(f"{name}: separates {list(sources)}, none of which is speech or vocals")


@dataclass(frozen=True)
class Network:
    """One network of a bag: the module, its share in each source's estimate, its segment in
    samples, its signature.

    `identity` says what it computes with, for whoever keeps its estimates. `precision` is what a
    GPU computes in. `limits` remembers, by input length, how many inputs the memory of a GPU held
    at once where it did not hold all.
    """

    module: Any
    shares: tuple[float, ...]
    segment: int
    signature: str
    precision: str = "fp32"
    identity: Mapping[str, Any] = field(default_factory=dict)
    limits: dict[int, int] = field(default_factory=dict)

    @property
    def speech(self) -> int:
        """Index of the source that carries the voice."""
        return speech_source(self.module.sources, self.signature)

    def answer(self, heard: Tensor) -> Tensor:
        """The network's share of the speech and of the sum of the other sources.

        Shape: `[batch, channels, samples]` -> `[batch, 2, channels, samples]`. A batch that memory
        does not hold goes through in halves, and so do later ones of its size.
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
            # HTDemucs hears its training length, always
            return int(self.module.segment * self.module.samplerate)
        # HDemucs takes any length, but a tail of a few samples breaks the reflection at its STFT's
        # ends.
        return max(segment.length, 4 * self.module.nfft)


@dataclass(frozen=True)
class Schedule:
    """How waveforms are passed through a network: `shifts` passes, `overlap` of segments,
    `batch_size`, `seed` of offsets.

    `speech_only`: nobody wants the other sources' sum, and where an estimate is reused it is zeros.
    """

    shifts: int
    overlap: float
    batch_size: int
    seed: int
    speech_only: bool = False

    def offsets(self, network: Network, content: str) -> list[int | None]:
        """Where each pass over an input of this `content` starts, in samples of shift; `[None]`:
        one pass without a shift.
        """
        if not self.shifts:
            return [None]
        longest = int(segments.MAX_SHIFT_S * network.module.samplerate)
        return [
            segments.shift_offset(self.seed, network.signature, content, k, longest)
            for k in range(self.shifts)
        ]


@dataclass(frozen=True)
class _Batch:
    """Segments of one network that share a forward pass over `length` samples; each has where it
    comes from and goes to.
    """

    network: Network
    length: int
    members: Sequence[tuple[Tensor, OverlapAdd, Segment]]

    def answer(self) -> Tensor:
        heard = torch.stack(
            [segments.cut(waveform, one, self.length) for waveform, _, one in self.members]
        )
        return self.network.answer(heard)

    def gather(self, answers: Tensor) -> None:
        for (_, gathered, segment), answer in zip(self.members, answers, strict=True):
            begin = segments.margin(segment, self.length)
            gathered.add(segment, answer[..., begin : begin + segment.length])


@dataclass(frozen=True)
class _Estimate:
    """One shift of one waveform: what gathers its answers, or what was kept of it; its segments and
    its key.
    """

    gathered: OverlapAdd | Tensor
    segments: int
    key: Mapping[str, Any]

    def mean(self) -> Tensor:
        return self.gathered if isinstance(self.gathered, Tensor) else self.gathered.mean()


class _Pass:
    """One network over all waveforms: its batches, and the means over shifts once their answers are
    gathered.

    Each shift of each waveform is an estimate by itself; those that `cache` holds need no batches.
    """

    def __init__(
        self,
        network: Network,
        waveforms: Sequence[Tensor],
        contents: Sequence[str],
        schedule: Schedule,
        cache: Cache,
    ) -> None:
        longest = int(segments.MAX_SHIFT_S * network.module.samplerate)
        self._cache, self._speech_only = cache, schedule.speech_only
        self._estimates: list[list[_Estimate]] = []
        same: dict[int, list[tuple[Tensor, OverlapAdd, Segment]]] = {}
        for waveform, content in zip(waveforms, contents, strict=True):
            self._estimates.append([])
            key = _key(network, waveform, schedule) if not isinstance(cache, NoCache) else {}
            for offset in schedule.offsets(network, content):
                own = {**key, "offset": offset}
                kept = cache.get(KIND, own)
                if kept is not None:
                    self._estimates[-1].append(_Estimate(_whole(kept).to(waveform.device), 0, own))
                    continue
                gathered = OverlapAdd((2, *waveform.shape), network.segment, waveform.device)
                plan = segments.plan(
                    waveform.shape[-1], offset, longest, network.segment, schedule.overlap
                )
                self._estimates[-1].append(_Estimate(gathered, len(plan), own))
                for segment in plan:
                    same.setdefault(network.input_length(segment), []).append(
                        (waveform, gathered, segment)
                    )
        self.batches = [
            _Batch(network, length, members)
            for length, jobs in same.items()
            for members in segments.batches(jobs, schedule.batch_size)
        ]
        self.forwards = sum(len(batch.members) for batch in self.batches)

    def means(self, seconds_each: float) -> Iterator[Tensor]:
        """Per waveform. What was computed goes into the cache, at `seconds_each` per segment."""
        for estimates in self._estimates:
            shifts = []
            for one in estimates:
                shifts.append(one.mean())
                if one.segments:
                    kept = shifts[-1][:1] if self._speech_only else shifts[-1]
                    self._cache.put(
                        KIND, one.key, kept, Cost(one.segments, one.segments * seconds_each)
                    )
            yield torch.stack(shifts).mean(0)


#: What the estimates of separators are called among all that is kept.
KIND = "separator"


def _key(network: Network, waveform: Tensor, schedule: Schedule) -> dict[str, Any]:
    """Everything that an estimate depends on but its offset: the samples as the network is given
    them among it.
    """
    return {
        **network.identity,
        "input": segments.fingerprint(waveform),
        "shares": list(network.shares),
        "segment": network.segment,
        "precision": network.precision,
        "overlap": schedule.overlap,
        "speech_only": schedule.speech_only,
        "code": keys.code("stages/separators", "system/parallel.py", "networks/checkpoints.py"),
        "arithmetic": keys.arithmetic(waveform.device),
    }


def _whole(kept: Tensor) -> Tensor:
    """Speech and the other sources' sum; zeros for a sum that was not kept."""
    return kept if len(kept) == 2 else torch.cat([kept, torch.zeros_like(kept)])


def run(
    networks: Sequence[Network],
    waveforms: Sequence[Tensor],
    contents: Sequence[str],
    schedule: Schedule,
    cache: Cache | None = None,
) -> list[Tensor]:
    """Mean over the shifts, summed over the networks by their shares: speech and the other sources'
    sum, per waveform.

    Shape: each `[channels, samples]` -> `[2, channels, samples]`. Segments of one length share
    forward passes; on a CPU, passes of whatever network and file run side by side. `contents` are
    the fingerprints of the inputs. What `cache` holds is not
    computed: the same samples, bit by bit.
    """
    cache = cache or NoCache()
    sums = [torch.zeros(2, *waveform.shape, device=waveform.device) for waveform in waveforms]

    def batches() -> Iterator[tuple[_Pass, _Batch | None]]:
        # planned when their turn comes: what gathers a pass is as large as its stems
        for network in networks:
            one = _Pass(network, waveforms, contents, schedule, cache)
            yield from ((one, batch) for batch in one.batches)
            yield one, None  # the end of the pass

    on_cpu = all(waveform.device.type == "cpu" for waveform in waveforms)
    started, forwards = time.perf_counter(), 0
    for (one, batch), answers in parallel.ordered(
        lambda item: item[1].answer() if item[1] else None, batches(), parallel=on_cpu
    ):
        if batch is not None and answers is not None:
            batch.gather(answers)
            continue
        forwards += one.forwards
        seconds_each = (time.perf_counter() - started) / max(1, forwards)
        for total, mean in zip(sums, one.means(seconds_each), strict=True):
            total += mean
    return sums
