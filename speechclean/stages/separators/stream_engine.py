"""Networks over sounds too long for memory.

The segments are those of `engine.run`; their answers are gathered in a buffer that moves along.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count, groupby

import torch
from torch import Tensor
from torch.nn import functional

from speechclean.audio import edges
from speechclean.audio.stream import Forward, LongAudio, Moments
from speechclean.system import parallel

from . import segments
from .network import Network
from .schedule import Schedule


def survey(
    sound: LongAudio, groups: Sequence[slice], sample_rate: int
) -> tuple[list[str], list[float], int]:
    """Fingerprints, standard deviations and number of samples, the latter two at a network's rate.

    All are needed before the first segment. The first two come one per group of channels that the
    network is given together.
    """
    prints = [segments.Fingerprint() for _ in groups]
    moments = [Moments() for _ in groups]
    for chunk in sound.chunks():
        for one, rows in zip(prints, groups, strict=True):
            one.feed(chunk[rows])
    samples = 0
    for chunk in sound.at_rate(sample_rate):
        samples += chunk.shape[-1]
        for moment, rows in zip(moments, groups, strict=True):
            moment.feed(chunk[rows])
    return [one.hexdigest() for one in prints], [moment.deviation() for moment in moments], samples


def source(
    sound: LongAudio, rows: slice, scale: float, network: Network, schedule: Schedule
) -> Forward:
    """Some channels of a sound as a network is given them, at unit variance, with its contexts."""
    device, rate = next(network.module.parameters()).device, network.module.samplerate
    chunks = (
        chunk[rows].to(device).expand(network.module.audio_channels, -1) / max(scale, 1e-8)
        for chunk in sound.at_rate(rate)
    )
    beyond = schedule.edge_context(network) + schedule.reach(network)
    extended = edges.extended_stream(chunks, beyond, edges.skipped(rate))
    return Forward(extended, history=network.segment)


def scaled(pieces: Iterator[Tensor], factor: float) -> Iterator[Tensor]:
    """Every piece times a factor."""
    return (piece * factor for piece in pieces)


def mean_of_passes(passes: Sequence[Iterator[Tensor]], step: int) -> Iterator[Tensor]:
    """The sum of streams `[..., samples]` of one length, in steps of `step` samples.

    The streams are already weighted by their shares in the mean.
    """
    readers = [Forward(one) for one in passes]
    for index in count():
        pieces = [reader.read(index * step, (index + 1) * step) for reader in readers]
        if not pieces[0].shape[-1]:
            return
        yield torch.stack(pieces).sum(0)


def one_pass(
    network: Network, source: Forward, samples: int, offset: int | None, schedule: Schedule
) -> Iterator[Tensor]:
    """One shift of one network over `samples` of a source between its contexts.

    Shape: the source is `[channels, context + samples + context]`, as long as the schedule's
    `edge_context` and `reach` together. Yields speech and the sum of the other sources,
    `[2, channels, some]`, in order and without the contexts.
    """
    extra = schedule.edge_context(network)
    yield from edges.inner(
        _with_contexts(network, source, samples, offset, schedule), extra, samples
    )


def _with_contexts(
    network: Network, source: Forward, samples: int, offset: int | None, schedule: Schedule
) -> Iterator[Tensor]:
    """`one_pass` with what was answered for the contexts, where anything was."""
    sums: Tensor | None = None
    done = 0
    for segment, answer in _answers(network, source, samples, offset, schedule):
        begin = segments.margin(segment, schedule.input_length(network, segment))
        weighted = answer[..., begin : begin + segment.length]
        triangle = segments.triangle(network.segment, weighted.device)[: segment.length]
        # The last row holds the sum of the weights.
        both = torch.cat([triangle * weighted.flatten(0, 1), triangle[None]])[
            ..., max(0, -segment.start) :
        ]
        first = max(0, segment.start)
        if sums is None:
            sums = both.new_zeros(both.shape[0], 0)
        # No later segment reaches back before this one.
        if (final := min(first - done, sums.shape[-1])) > 0:
            yield _mean(sums[..., :final], weighted.shape[:-1])
            sums, done = sums[..., final:], done + final
        if (missing := first - done + both.shape[-1] - sums.shape[-1]) > 0:
            sums = functional.pad(sums, (0, missing))
        sums = sums.clone()
        sums[..., first - done : first - done + both.shape[-1]] += both
    if sums is not None and sums.shape[-1]:
        yield _mean(sums, torch.Size([2, (sums.shape[0] - 1) // 2]))


def _answers(
    network: Network, source: Forward, samples: int, offset: int | None, schedule: Schedule
) -> Iterator[tuple[segments.Segment, Tensor]]:
    """Each segment with the network's answer `[2, channels, its input's length]`, in order.

    Segments of one length share batches; on a CPU several batches run at once.
    """
    plan = schedule.plan(network, samples, offset)
    reach = schedule.reach(network)
    whole = samples + 2 * (schedule.edge_context(network) + reach)

    def batches() -> Iterator[tuple[Sequence[segments.Segment], Tensor]]:
        for length, same in groupby(plan, partial(schedule.input_length, network)):
            for batch in segments.batches(list(same), schedule.batch_size):
                yield (
                    batch,
                    torch.stack([_cut(source, segment, length, whole, reach) for segment in batch]),
                )

    on_cpu = next(network.module.parameters()).device.type == "cpu"
    for (batch, _), answers in parallel.ordered(
        lambda item: network.answer(item[1]), batches(), parallel=on_cpu
    ):
        yield from zip(batch, answers, strict=True)


def _cut(
    source: Forward, segment: segments.Segment, length: int, samples: int, reach: int
) -> Tensor:
    """`segments.cut` from a stream of `samples`."""
    start = reach + segment.start - segments.margin(segment, length)
    inside = source.read(max(0, start), min(start + length, samples))
    before = max(0, -start)
    return functional.pad(inside, (before, length - before - inside.shape[-1]))


def _mean(sums: Tensor, rows: torch.Size) -> Tensor:
    return (sums[:-1] / sums[-1]).reshape(*rows, -1)
