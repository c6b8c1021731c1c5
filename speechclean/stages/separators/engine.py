"""Networks over many waveforms: segments of all files and shifts share forward passes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from speechclean.audio import edges
from speechclean.networks.cache import Cache, Cost, NoCache, keys
from speechclean.networks.cache.code import stage_parts
from speechclean.system import parallel

from . import segments
from .network import Network
from .schedule import Schedule
from .segments import OverlapAdd, Segment

#: What the estimates of separators are called among all entries of a cache.
KIND = "separator"


@dataclass(frozen=True)
class _Batch:
    """Segments of one network that share a forward pass over `length` samples.

    Each member is the waveform that its segment is cut from, what gathers its answer, the segment,
    which counts from sample `before` of the waveform.
    """

    network: Network
    length: int
    before: int
    members: Sequence[tuple[Tensor, OverlapAdd, Segment]]

    def answer(self) -> Tensor:
        heard = torch.stack(
            [
                segments.cut(waveform, one, self.length, self.before)
                for waveform, _, one in self.members
            ]
        )
        return self.network.answer(heard)

    def gather(self, answers: Tensor) -> None:
        for (_, gathered, segment), answer in zip(self.members, answers, strict=True):
            begin = segments.margin(segment, self.length)
            gathered.add(segment, answer[..., begin : begin + segment.length])


@dataclass(frozen=True)
class _Estimate:
    """One shift of one waveform: what gathers its answers, the number of segments, its cache key.

    A cached estimate is the tensor itself, and has no segments.
    """

    gathered: OverlapAdd | Tensor
    segments: int
    key: Mapping[str, Any]

    def mean(self) -> Tensor:
        return self.gathered if isinstance(self.gathered, Tensor) else self.gathered.mean()


class _Pass:
    """One network over all waveforms: its batches, and the means over shifts of their answers.

    Each shift of each waveform is an estimate by itself; those that `cache` holds need no batches.
    """

    def __init__(
        self, network: Network, job: _Job, schedule: Schedule, cache: Cache, threads: int
    ) -> None:
        self._cache, self._speech_only = cache, schedule.speech_only
        self._estimates: list[list[_Estimate]] = []
        extra, reach = schedule.edge_context(network), schedule.reach(network)
        skip = edges.skipped(network.module.samplerate)
        by_length: dict[int, list[tuple[Tensor, OverlapAdd, Segment]]] = {}
        for waveform, content in zip(job.waveforms, job.contents, strict=True):
            self._estimates.append([])
            cached = not isinstance(cache, NoCache)
            key = _key(network, waveform, schedule, threads) if cached else {}
            heard = edges.extended(waveform, extra + reach, skip)
            for offset in schedule.offsets(network, content):
                own = {**key, "offset": offset}
                if (hit := cache.get(KIND, own)) is not None:
                    self._estimates[-1].append(_Estimate(_whole(hit).to(waveform.device), 0, own))
                    continue
                gathered = OverlapAdd((2, *waveform.shape), network.segment, heard.device, extra)
                plan = schedule.plan(network, waveform.shape[-1], offset)
                self._estimates[-1].append(_Estimate(gathered, len(plan), own))
                for segment in plan:
                    by_length.setdefault(schedule.input_length(network, segment), []).append(
                        (heard, gathered, segment)
                    )
        self.batches = [
            _Batch(network, length, reach, members)
            for length, jobs in by_length.items()
            for members in segments.batches(jobs, schedule.batch_size)
        ]
        self.forwards = sum(len(batch.members) for batch in self.batches)

    def means(self, seconds_each: float) -> Iterator[Tensor]:
        """Per waveform. Misses go into the cache, at `seconds_each` per segment."""
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


@dataclass(frozen=True)
class _Job:
    waveforms: Sequence[Tensor]
    contents: Sequence[str]


def run(
    networks: Sequence[Network],
    waveforms: Sequence[Tensor],
    contents: Sequence[str],
    schedule: Schedule,
    cache: Cache | None = None,
) -> list[Tensor]:
    """Speech and the sum of the other sources, per waveform.

    That is the mean over the shifts, summed over the networks by their shares. Segments of one
    length share forward passes; on a CPU, passes of all networks and files run side by side.
    `contents` are the fingerprints of the inputs. What `cache` holds is not computed: the samples
    are the same, bit by bit.

    Shape: each `[channels, samples]` -> `[2, channels, samples]`.
    """
    cache = cache or NoCache()
    job, threads = _Job(waveforms, contents), keys.threads_per_piece()
    sums = [torch.zeros(2, *waveform.shape, device=waveform.device) for waveform in waveforms]

    def batches() -> Iterator[tuple[_Pass, _Batch | None]]:
        # A pass is planned when its turn comes: what gathers its answers is as large as its stems.
        for network in networks:
            one = _Pass(network, job, schedule, cache, threads)
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


def separate(
    networks: Sequence[Network],
    waveforms: Sequence[Tensor],
    contents: Sequence[str],
    schedule: Schedule,
    cache: Cache,
    residual: bool,
) -> list[Tensor]:
    """Speech and music of each waveform, at the waveform's own level.

    `residual`: the music is what is left of the waveform, not the sum of the other sources.

    Shape: each `[channels, samples]` -> `[2, channels, samples]`.
    """
    # demucs' own command hands its networks the mixture at unit variance too.
    scales = [waveform.std(correction=0).clamp(min=1e-8) for waveform in waveforms]
    scaled = [waveform / scale for waveform, scale in zip(waveforms, scales, strict=True)]
    both = run(networks, scaled, contents, schedule, cache)
    stems = []
    for waveform, scale, answer in zip(waveforms, scales, both, strict=True):
        # A network's biases would answer digital silence with a faint hum.
        speech, others = answer * scale if waveform.any() else torch.zeros_like(answer)
        stems.append(torch.stack([speech, waveform - speech if residual else others]))
    return stems


def _key(network: Network, waveform: Tensor, schedule: Schedule, threads: int) -> dict[str, Any]:
    """Everything but the offset that an estimate depends on.

    The input is the samples as the network is given them.
    """
    return {
        **stage_parts(network.stage or Network, __name__),
        **network.identity,
        "input": segments.fingerprint(waveform),
        "shares": list(network.shares),
        "segment": network.segment,
        "precision": network.precision,
        "overlap": schedule.overlap,
        "edge_context": schedule.edge_context(network),
        **({"length_step": step} if (step := schedule.length_step(network)) else {}),
        "speech_only": schedule.speech_only,
        "arithmetic": keys.arithmetic(waveform.device, threads),
    }


def _whole(cached: Tensor) -> Tensor:
    """Speech and the other sources' sum; zeros for a sum that was not kept."""
    return cached if len(cached) == 2 else torch.cat([cached, torch.zeros_like(cached)])
