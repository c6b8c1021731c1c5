"""The pipeline over sounds too long for memory: hours pass in the memory of minutes.

Two passes over the disk, in which every stage but the separators runs as it is, on blocks with
context on both sides:

1. separators (streams of their own, `DemucsSeparator.stream`) and fusion leave the fused speech as
   float32;
2. enhancement and post-processing leave the finished speech as float32; loudness is measured while
   both passes go.

What comes out equals the in-memory pipeline to 1e-5, since blocks begin on a grid that all stages'
hops and resamplers share and their context covers whatever a stage looks at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speechclean.audio.stream import Forward, LongAudio, RawWriter
from speechclean.audio.waveform import Audio
from speechclean.stages.postprocess.loudness import Loudness
from speechclean.system import allocator

from .blocks import grid
from .long_separation import ENERGY_STEP_S, LEVELS, LongSeparation, Meters
from .pipeline import Pipeline
from .types import Clock, Separation, Stems, StreamingEnhancement

#: Least length of a block's context on either side, in seconds; rounded up to the stages' grid.
FUSION_CONTEXT_S, STAGE_CONTEXT_S = 0.5, 0.5
#: Called with each stretch `[channels, samples]` that a stage has made, after the stage's name.
WatchStretch = Callable[[str, Tensor], None]


@torch.inference_mode()
def clean_long(
    pipeline: Pipeline,
    mixture: LongAudio,
    scratch: Path,
    clock: Clock,
    watch: WatchStretch = lambda *_: None,
) -> LongSeparation:
    """Clean a sound block by block.

    What the passes leave lies in `scratch`, 4 bytes per sample and channel each.

    Raises `ValueError` where loudness is not the last stage: what follows it would need the whole
    file once more.
    """
    whole, mixture = mixture, mixture.centred(pipeline.dc_offset_above)
    stages = list(pipeline.postprocess.items())
    if any(isinstance(stage, Loudness) for _, stage in stages[:-1]):
        raise ValueError(
            "postprocess: loudness must come last for files that are streamed "
            "(or raise stream_above_s)"
        )
    loudness = stages.pop()[1] if stages and isinstance(stages[-1][1], Loudness) else None
    meters = [Meters(mixture) for _ in range(3)]
    fused = _fuse(pipeline, mixture, scratch / "fused.f32", meters[:2], clock, watch)
    speech, energies = _finish(
        pipeline, dict(stages), mixture, fused, scratch / "speech.f32", meters[2], clock, watch
    )
    of_mixture, of_fused, of_speech = (meter.levels() for meter in meters)
    gain_db = (
        loudness.gain_for(*of_speech, of_fused[0], of_mixture[1])
        if isinstance(loudness, Loudness)
        else 0.0
    )
    levels = {"lufs_mixture": of_mixture[0], "true_peak_dbtp_mixture": of_mixture[1]}
    levels |= {
        f"{name}_cleaned": None if level is None else level + gain_db
        for name, level in zip(LEVELS, of_speech, strict=True)
    }
    return LongSeparation(whole, speech, 10 ** (gain_db / 20), levels, energies)


def _fuse(
    pipeline: Pipeline,
    mixture: LongAudio,
    path: Path,
    meters: Sequence[Meters],
    clock: Clock,
    watch: WatchStretch,
) -> LongAudio:
    """The first pass: the fused speech; the meters hear the mixture and what was fused."""
    writer, rate = RawWriter(path), mixture.sample_rate
    streams = {name: separator.stream(mixture) for name, separator in pipeline.separators.items()}
    rates = {name: separator.sample_rate for name, separator in pipeline.separators.items()}
    readers = {
        name: Forward(
            _watched(_timed(stream, clock, f"separators.{name}"), watch, f"separators.{name}")
        )
        for name, stream in streams.items()
    }
    sound = Forward(mixture.chunks())
    for block in grid(mixture, list(rates.values()), [pipeline.fusion], FUSION_CONTEXT_S):
        heard = Audio(sound.read(block.first, block.last), rate)
        stems = {}
        for name, reader in readers.items():
            # Exact: the grid is whole in the separator's rate too; only the last edge is rounded.
            first, last = (
                block.first * rates[name] // rate,
                math.ceil(block.last * rates[name] / rate),
            )
            speech, music = reader.read(first, last)
            is_gain = getattr(pipeline.separators[name], "is_gain", False)
            stems[name] = Stems(Audio(speech, rates[name]), Audio(music, rates[name]), is_gain)
        with clock("fusion"):
            on_device = heard.with_waveform(heard.waveform.to(pipeline.device))
            separation = pipeline.fusion(on_device, stems)
            speech, masked = separation.speech.waveform.cpu(), separation.masked.waveform.cpu()
        # Loudness in memory has the mask alone to tell what was fused.
        as_it_was = heard.waveform if mixture.offset is None else heard.waveform + mixture.offset
        for waveform, meter in ((as_it_was, meters[0]), (masked, meters[1])):
            meter.feed(block.inner(waveform))
        watch("fusion", block.inner(speech))
        writer.write(block.inner(speech))
        allocator.hand_back()
    return writer.done(rate, mixture.channels)


def _finish(
    pipeline: Pipeline,
    postprocess: Mapping[str, Any],
    mixture: LongAudio,
    fused: LongAudio,
    path: Path,
    meter: Meters,
    clock: Clock,
    watch: WatchStretch,
) -> tuple[LongAudio, Tensor]:
    """The second pass: the finished speech, and the energy of the residual per half second."""
    writer, rate, enhancement = RawWriter(path), mixture.sample_rate, pipeline.enhancement
    sound, speech = Forward(mixture.chunks()), Forward(fused.chunks())
    # A network is a stream of its own; what else an enhancement does is done on the block.
    network = (
        enhancement
        if not getattr(enhancement, "idle", False) and isinstance(enhancement, StreamingEnhancement)
        else None
    )
    own_rate = network.sample_rate if network else rate
    own = Forward(_timed(network.stream(fused), clock, "enhancement")) if network else None
    step = max(1, round(ENERGY_STEP_S * rate))
    energies = torch.zeros(max(1, math.ceil(mixture.samples / step)), dtype=torch.float64)
    for block in grid(mixture, [own_rate], [enhancement, *postprocess.values()], STAGE_CONTEXT_S):
        heard, estimate = (
            Audio(one.read(block.first, block.last).to(pipeline.device), rate)
            for one in (sound, speech)
        )
        # None of the stages before loudness looks at the mask.
        goes_on = (block.first > 0, block.last < mixture.samples)
        separation = Separation(heard, estimate, torch.ones(1, 1, 1), goes_on=goes_on)
        with clock("enhancement"):
            if network and own:
                part = own.read(
                    block.first * own_rate // rate, math.ceil(block.last * own_rate / rate)
                )
                separation = network.apply(separation, Audio(part, own_rate))
            else:
                separation = enhancement(separation)
        watch("enhancement", block.inner(separation.speech.waveform))
        for name, stage in postprocess.items():
            with clock(f"postprocess.{name}"):
                separation = stage(separation)
            watch(f"postprocess.{name}", block.inner(separation.speech.waveform))
        finished, residual = (
            block.inner(one.waveform).cpu() for one in (separation.speech, separation.residual)
        )
        power = residual.double().square().sum(0)
        energies += torch.bincount(
            torch.arange(block.start, block.end) // step, power, len(energies)
        )
        meter.feed(finished)
        writer.write(finished)
        allocator.hand_back()
    return writer.done(rate, mixture.channels), energies


def _watched(stream: Iterator[Tensor], watch: WatchStretch, stage: str) -> Iterator[Tensor]:
    """A stream of `[2, channels, samples]` whose pieces `watch` is called with."""
    for piece in stream:
        watch(stage, piece.flatten(0, 1))
        yield piece


def _timed(stream: Iterator[Tensor], clock: Clock, name: str) -> Iterator[Tensor]:
    """A stream whose own time is the named stage's."""
    while True:
        with clock(name):
            piece = next(stream, None)
            # Before the next network takes as much again.
            allocator.hand_back()
        if piece is None:
            return
        yield piece
