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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from speechclean.audio.loudness import LoudnessMeter, TruePeakMeter
from speechclean.audio.stft import stft, window_length
from speechclean.audio.stream import Forward, LongAudio, RawWriter
from speechclean.audio.waveform import Audio
from speechclean.stages.postprocess.loudness import Loudness
from speechclean.system import allocator

from .pipeline import Clock, Pipeline
from .types import Separation, Stems

#: Least length of a block and of its context on either side, in seconds; both are rounded up to the
#: stages' common grid.
BLOCK_S, FUSION_CONTEXT_S, STAGE_CONTEXT_S = 5.0, 0.5, 0.5
#: Told of each stretch `[channels, samples]` that a stage has made, by the stage's name.
Told = Callable[[str, Tensor], None]
#: Windows of this length are compared to find where most was taken out.
ENERGY_STEP_S = 0.5


@runtime_checkable
class Streams(Protocol):
    """An enhancement by a network, which has to hear more than a block."""

    @property
    def idle(self) -> bool: ...

    @property
    def sample_rate(self) -> int: ...

    def stream(self, speech: LongAudio) -> Iterator[Tensor]: ...

    def apply(self, separation: Separation, denoised: Audio) -> Separation: ...


@dataclass(frozen=True)
class LongSeparation:
    """A mixture on the disk, the finished speech before its gain, and what was measured on the way.

    `gain` is linear. `levels` are LUFS and dBTP of the mixture and of the speech with its gain,
    None for silence. `energies` of the residual, one per half second.
    """

    mixture: LongAudio
    speech: LongAudio
    gain: float
    levels: dict[str, float | None]
    energies: Tensor

    def cleaned(self) -> Iterator[Tensor]:
        """The finished speech, chunk by chunk `[channels, samples]`."""
        return (chunk * self.gain for chunk in self.speech.chunks())

    def excerpt(self, seconds: float) -> Separation:
        """The stretch of about `seconds` from which most was taken; its mask is what the whole
        pipeline came to.
        """
        rate, step = (
            self.mixture.sample_rate,
            max(1, round(ENERGY_STEP_S * self.mixture.sample_rate)),
        )
        windows = self.energies.unfold(
            0, min(len(self.energies), max(1, round(seconds / ENERGY_STEP_S))), 1
        ).sum(-1)
        start = int(windows.argmax()) * step
        stretch = (start, min(start + round(seconds * rate), self.mixture.samples))
        mixture, speech = (
            Audio(sound.read(*stretch), rate) for sound in (self.mixture, self.speech)
        )
        spectra = [
            stft(sound.waveform, window_length(rate, 0.085)).abs() for sound in (speech, mixture)
        ]
        mask = (spectra[0] / spectra[1].clamp(min=1e-8)).clamp(max=1)
        return Separation(
            mixture, mixture.with_waveform(speech.waveform * self.gain), mask, self.gain
        )


@torch.inference_mode()
def clean_long(
    pipeline: Pipeline,
    mixture: LongAudio,
    scratch: Path,
    clock: Clock,
    watch: Told = lambda *_: None,
) -> LongSeparation:
    """Clean a sound block by block; what the passes leave lies in `scratch`, 4 bytes per sample and
    channel each.

    Raises `ValueError` where loudness is not the last stage: what follows it would need the whole
    file once more.
    """
    stages = list(pipeline.postprocess.items())
    if any(isinstance(stage, Loudness) for _, stage in stages[:-1]):
        raise ValueError(
            "postprocess: loudness must come last for files that are streamed (or raise stream_above_s)"
        )
    loudness = stages.pop()[1] if stages and isinstance(stages[-1][1], Loudness) else None
    meters = [_Meters(mixture) for _ in range(3)]
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
        for name, level in zip(_NAMES, of_speech, strict=True)
    }
    return LongSeparation(mixture, speech, 10 ** (gain_db / 20), levels, energies)


def untouched_long(mixture: LongAudio) -> LongSeparation:
    """A mixture that passes through: its speech is itself."""
    meter = _Meters(mixture)
    for chunk in mixture.chunks():
        meter.feed(chunk)
    levels = dict(zip(_NAMES, meter.levels(), strict=True))
    both = {
        f"{name}_{state}": level
        for name, level in levels.items()
        for state in ("mixture", "cleaned")
    }
    steps = max(1, math.ceil(mixture.samples / mixture.sample_rate / ENERGY_STEP_S))
    return LongSeparation(mixture, mixture, 1.0, both, torch.zeros(steps, dtype=torch.float64))


_NAMES = ("lufs", "true_peak_dbtp")


class _Meters:
    """Loudness and true peak of a stream."""

    def __init__(self, sound: LongAudio) -> None:
        self._loudness = LoudnessMeter(sound.sample_rate, sound.channels)
        self._peak = TruePeakMeter(sound.sample_rate, sound.channels)

    def feed(self, waveform: Tensor) -> None:
        self._loudness.feed(waveform)
        self._peak.feed(waveform)

    def levels(self) -> tuple[float | None, float | None]:
        return self._loudness.lufs(), self._peak.dbtp()


def _fuse(
    pipeline: Pipeline,
    mixture: LongAudio,
    path: Path,
    meters: Sequence[_Meters],
    clock: Clock,
    watch: Told,
) -> LongAudio:
    """The first pass: the fused speech; the meters hear the mixture and what was fused."""
    writer, rate = RawWriter(path), mixture.sample_rate
    streams = {name: separator.stream(mixture) for name, separator in pipeline.separators.items()}
    rates = {name: separator.sample_rate for name, separator in pipeline.separators.items()}
    readers = {
        name: Forward(
            _told(_timed(stream, clock, f"separators.{name}"), watch, f"separators.{name}")
        )
        for name, stream in streams.items()
    }
    sound = Forward(mixture.chunks())
    for block in _grid(mixture, list(rates.values()), [pipeline.fusion], FUSION_CONTEXT_S):
        heard = Audio(sound.read(block.first, block.last), rate)
        stems = {}
        for name, reader in readers.items():
            # Exact: the grid is whole in the separator's rate too; only the last edge is rounded.
            first, last = (
                block.first * rates[name] // rate,
                math.ceil(block.last * rates[name] / rate),
            )
            speech, music = reader.read(first, last)
            stems[name] = Stems(Audio(speech, rates[name]), Audio(music, rates[name]))
        with clock("fusion"):
            on_device = heard.with_waveform(heard.waveform.to(pipeline.device))
            speech = pipeline.fusion(on_device, stems).speech.waveform.cpu()
        for waveform, meter in ((heard.waveform, meters[0]), (speech, meters[1])):
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
    meter: _Meters,
    clock: Clock,
    watch: Told,
) -> tuple[LongAudio, Tensor]:
    """The second pass: the finished speech, and the energy of the residual per half second."""
    writer, rate, enhancement = RawWriter(path), mixture.sample_rate, pipeline.enhancement
    sound, speech = Forward(mixture.chunks()), Forward(fused.chunks())
    # A network is a stream of its own; what else an enhancement does is done on the block.
    network = (
        enhancement
        if not getattr(enhancement, "idle", False) and isinstance(enhancement, Streams)
        else None
    )
    own_rate = network.sample_rate if network else rate
    own = Forward(_timed(network.stream(fused), clock, "enhancement")) if network else None
    step = max(1, round(ENERGY_STEP_S * rate))
    energies = torch.zeros(max(1, math.ceil(mixture.samples / step)), dtype=torch.float64)
    for block in _grid(mixture, [own_rate], [enhancement, *postprocess.values()], STAGE_CONTEXT_S):
        heard, estimate = (
            Audio(one.read(block.first, block.last).to(pipeline.device), rate)
            for one in (sound, speech)
        )
        # no stage but loudness looks at the mask
        separation = Separation(heard, estimate, torch.ones(1, 1, 1))
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


@dataclass(frozen=True)
class _Block:
    """Samples `start` to `end` of a sound, read from `first` to `last`."""

    start: int
    end: int
    first: int
    last: int

    def inner(self, waveform: Tensor) -> Tensor:
        return waveform[..., self.start - self.first : self.end - self.first]


def _grid(
    sound: LongAudio, rates: Sequence[int], stages: Sequence[Any], context_s: float
) -> Iterator[_Block]:
    """Blocks whose edges are whole samples at all rates and whole hops of every STFT of the
    stages.
    """
    windows = [
        window_length(sound.sample_rate, stage.window_s)
        for stage in stages
        if hasattr(stage, "window_s")
    ]
    # powers of two: whole hops of the longest are whole hops of all
    longest = max(windows, default=64)
    unit = math.lcm(
        longest // 4, *(sound.sample_rate // math.gcd(sound.sample_rate, rate) for rate in rates)
    )
    size = unit * math.ceil(BLOCK_S * sound.sample_rate / unit)
    context = unit * math.ceil((context_s * sound.sample_rate + longest) / unit)
    for start in range(0, sound.samples, size):
        end = min(start + size, sound.samples)
        yield _Block(start, end, max(0, start - context), min(end + context, sound.samples))


def _told(stream: Iterator[Tensor], watch: Told, stage: str) -> Iterator[Tensor]:
    """A stream of `[2, channels, samples]` whose pieces are told of on the way."""
    for piece in stream:
        watch(stage, piece.flatten(0, 1))
        yield piece


def _timed(stream: Iterator[Tensor], clock: Clock, name: str) -> Iterator[Tensor]:
    """A stream whose own time is the named stage's."""
    while True:
        with clock(name):
            piece = next(stream, None)
        if piece is None:
            return
        yield piece
