"""Everything of the demucs family: HTDemucs, HDemucs, bags of them, DiffQ-quantised ones.

Défossez, "Hybrid Spectrogram and Waveform Source Separation" (MDX 2021); Rouard, Massa & Défossez,
"Hybrid Transformers for Music Source Separation" (ICASSP 2023); Défossez, Adi & Synnaeve,
"Differentiable Model Compression via Pseudo Quantization Noise" (TMLR 2022). Of a bag only those
networks run whose weight for the speech is not zero: one of four in htdemucs_ft.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speechclean.audio.stream import Forward, LongAudio
from speechclean.audio.waveform import Audio, resample
from speechclean.networks import checkpoints
from speechclean.networks.cache import Cache, NoCache
from speechclean.networks.weights import Bag, demucs_bag, sha256
from speechclean.stages.types import Stems
from speechclean.system import allocator
from speechclean.system.device import torch_device

from . import engine, precision, segments, stream_engine
from .tuned import tune

ACCOMPANIMENTS = ("residual", "stems")
#: Length of what a stream answers at a time, in seconds.
STEP_S = 10.0
#: Where a GPU starts; a batch that its memory does not hold is halved, and the size that fitted is
#: kept to.
CUDA_BATCH = 64


@dataclass(frozen=True)
class DemucsSeparator:
    """A separator of the demucs family.

    name: a published model (`htdemucs_ft`, `mdx_extra_q`, ...), an embedded one, or one of `repo`
    repo: None for published weights, `embedded` for those in the package, or a folder in demucs'
        own format
    shifts: passes at different offsets that are averaged; 0 is one pass without a shift
    overlap: of segments, as a share of their length
    segment_s: length of a segment; None is the network's own, and a transformer can take less but
        not more
    accompaniment: `residual` (music = mixture - speech) or `stems` (the sum of the other sources;
        in a bag whose networks specialise, such as htdemucs_ft, it takes all of them)
    batch_size: segments in one forward pass on a GPU, at most: fewer where its memory runs out;
        None is `CUDA_BATCH`. A CPU's cores take a segment each
    precision: `fp32`, `tf32` or `fp16`, on a GPU that keeps 50 dB with it (`precision.py`); a CPU
        computes in fp32
    tuned: swap parts of the networks for faster ones with the same answers (`tuned/`)
    """

    name: str
    repo: str | None = None
    shifts: int = 1
    overlap: float = 0.25
    segment_s: float | None = None
    accompaniment: str = "residual"
    batch_size: int | None = None
    seed: int = 0
    device: str = "auto"
    precision: str = "fp32"
    tuned: bool = True

    def __post_init__(self) -> None:
        if self.shifts < 0:
            raise ValueError(f"shifts={self.shifts} must be 0 or more")
        if not 0 <= self.overlap < 1:
            raise ValueError(f"overlap={self.overlap} must be at least 0 and below 1")
        if self.segment_s is not None and self.segment_s < 1:
            raise ValueError(
                f"segment_s={self.segment_s} must be at least 1 second, or null for the network's own"
            )
        if self.accompaniment not in ACCOMPANIMENTS:
            raise ValueError(
                f"accompaniment={self.accompaniment!r} must be one of {', '.join(ACCOMPANIMENTS)}"
            )
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(
                f"batch_size={self.batch_size} must be 1 or more, or null for what suits the device"
            )
        if self.precision not in precision.PRECISIONS:
            raise ValueError(
                f"precision={self.precision!r} must be one of {', '.join(precision.PRECISIONS)}"
            )
        torch_device(self.device)

    def weight_files(self) -> dict[str, Path]:
        """The files that would be loaded, by signature, and a local bag's definition. Raises
        `MissingWeights`, at once.
        """
        own = {f"{self.name}.yaml": self._bag.definition} if self._bag.definition else {}
        return self._bag.files | own

    @property
    def sample_rate(self) -> int:
        """Rate of the stems, in Hz; loads the network."""
        return int(self._networks[0].module.samplerate)

    def __call__(self, mixtures: Sequence[Audio]) -> list[Stems]:
        """Stems at the network's own rate, one per mixture, each on its mixture's device.

        A mixture with another number of channels than the network's is heard channel by channel, as
        so many copies.
        """
        return self._answer(mixtures, NoCache())

    def reusing(self, cache: Cache) -> Callable[[Sequence[Audio]], list[Stems]]:
        """The same answers, of which the cache gives what it holds and keeps what it does not."""
        return partial(self._answer, cache=cache)

    @torch.inference_mode()
    def _answer(self, mixtures: Sequence[Audio], cache: Cache) -> list[Stems]:
        network = self._networks[0].module
        heard = [resample(mixture, network.samplerate) for mixture in mixtures]
        # The identity of an input is that of its own samples, not of what a resampler makes of
        # them.
        contents = [
            segments.fingerprint(rows)
            for mixture in mixtures
            for rows in self._groups(mixture, network)
        ]
        voices = [
            self._voice(rows, network) for audio in heard for rows in self._groups(audio, network)
        ]
        answers = iter(self._separate(voices, contents, cache))
        stems = []
        for mixture, audio in zip(mixtures, heard, strict=True):
            if audio.channels == network.audio_channels:
                answer = next(answers)
            else:
                answer = torch.cat(
                    [next(answers).mean(1, keepdim=True) for _ in range(audio.channels)], 1
                )
            speech, music = answer.to(mixture.waveform.device)
            stems.append(Stems(audio.with_waveform(speech), audio.with_waveform(music)))
        return stems

    @torch.inference_mode()
    def stream(self, sound: LongAudio) -> Iterator[Tensor]:
        """Speech and music of a sound too long for memory, at the network's rate: pieces `[2,
        channels, some]`, in order.

        The same samples as `__call__` gives, up to rounding: a first pass over the file takes its
        level and its identity.
        """
        network = self._networks[0].module
        whole = sound.channels == network.audio_channels
        groups = (
            [slice(None)]
            if whole
            else [slice(channel, channel + 1) for channel in range(sound.channels)]
        )
        contents, scales, samples = stream_engine.survey(sound, groups, network.samplerate)
        streams = []
        for rows, content, scale in zip(groups, contents, scales, strict=True):
            passes = self._passes(sound, rows, scale, content, samples)
            streams.append(stream_engine.mean_of_passes(passes, int(STEP_S * network.samplerate)))
        heard = Forward(sound.at_rate(network.samplerate))
        done = 0
        for answers in zip(*streams, strict=True):
            answer = torch.cat(
                [answer if whole else answer.mean(1, keepdim=True) for answer in answers], 1
            )
            mixture = heard.read(done, done + answer.shape[-1]).to(answer.device)
            done += answer.shape[-1]
            speech, others = answer
            yield torch.stack(
                [speech, mixture - speech if self.accompaniment == "residual" else others]
            )

    def _passes(
        self, sound: LongAudio, rows: slice, scale: float, content: str, samples: int
    ) -> list[Iterator[Tensor]]:
        """A stream per network and shift, each already weighed by its share in the mean."""
        schedule, passes = self._schedule(), []
        for network in self._networks:
            offsets = schedule.offsets(network, content)
            for offset in offsets:
                chunks = (
                    self._voice(chunk[rows], network.module) / max(scale, 1e-8)
                    for chunk in sound.at_rate(network.module.samplerate)
                )
                source = Forward(chunks, history=network.segment)
                pieces = stream_engine.one_pass(network, source, samples, offset, schedule)
                # digital silence has the scale 0
                passes.append(stream_engine.scaled(pieces, scale / len(offsets)))
        return passes

    def _schedule(self) -> engine.Schedule:
        # On a CPU batches gain nothing, every core having a segment of its own, and sums of another
        # size round otherwise.
        size = 1 if torch_device(self.device).type == "cpu" else self.batch_size or CUDA_BATCH
        return engine.Schedule(
            self.shifts, self.overlap, size, self.seed, speech_only=self.accompaniment == "residual"
        )

    @cached_property
    def _bag(self) -> Bag:
        return demucs_bag(self.name, self.repo)

    @cached_property
    def _networks(self) -> list[engine.Network]:
        """Those networks of the bag whose estimates reach what is asked for; the others are not
        even loaded.
        """
        stamps = tuple(
            (path, path.stat().st_size, path.stat().st_mtime_ns)
            for path in self.weight_files().values()
        )
        return _loaded(
            replace(self, shifts=1, overlap=0.25, batch_size=None, seed=0),
            torch_device(self.device),
            stamps,
        )

    def _load(self, device: torch.device) -> list[engine.Network]:
        weights = sorted(sha256(path) for path in self.weight_files().values())
        found = []
        for signature, module, shares in self._members():
            if device.type == "cpu":
                allocator.suit(module)
            if self.tuned:
                tune(module.to(device), device.type)
            samples = self._segment_samples(module)
            bits = precision.admitted(module.to(device), self.precision, samples)
            identity = {"weights": weights, "network": signature, "tuned": self.tuned}
            found.append(engine.Network(module, shares, samples, signature, bits, identity))
        return found

    def _members(self) -> Iterator[tuple[str, Any, tuple[float, ...]]]:
        """Signature, module and share in each source's estimate of every network that runs."""
        files = list(self._bag.files.items())
        first = _load(files[0][1])
        speech = engine.speech_source(first.sources, self.name)
        weights = torch.tensor(self._bag.weights or [[1.0] * len(first.sources)] * len(files))
        for index, own in enumerate(weights / weights.sum(0)):
            if own[speech] or (self.accompaniment == "stems" and own.any()):
                signature, path = files[index]
                yield signature, _load(path) if index else first, tuple(own.tolist())

    def _segment_samples(self, module: Any) -> int:
        own = float(module.segment)
        wanted = self.segment_s if self.segment_s is not None else self._bag.segment_s
        if wanted is not None and getattr(module, "use_train_segment", False):
            wanted = min(wanted, own)
        return int((own if wanted is None else wanted) * module.samplerate)

    def _groups(self, audio: Audio, network: Any) -> list[Tensor]:
        """The channels that are heard together: all of them if the network takes as many, else each
        by itself.
        """
        return (
            [audio.waveform]
            if audio.channels == network.audio_channels
            else list(audio.waveform.split(1))
        )

    def _voice(self, rows: Tensor, network: Any) -> Tensor:
        """What the network is given of a group: `[its channels, samples]` on its device."""
        return rows.to(torch_device(self.device)).expand(network.audio_channels, -1)

    def _separate(self, waveforms: list[Tensor], contents: list[str], cache: Cache) -> list[Tensor]:
        """Speech and music of each waveform: `[channels, samples]` -> `[2, channels, samples]`."""
        # demucs' own command hands its networks the mixture at unit variance too.
        scales = [waveform.std(correction=0).clamp(min=1e-8) for waveform in waveforms]
        scaled = [waveform / scale for waveform, scale in zip(waveforms, scales, strict=True)]
        both = engine.run(self._networks, scaled, contents, self._schedule(), cache)
        stems = []
        for waveform, scale, answer in zip(waveforms, scales, both, strict=True):
            # A network's biases would answer digital silence with a faint hum.
            speech, others = answer * scale if waveform.any() else torch.zeros_like(answer)
            stems.append(
                torch.stack(
                    [speech, waveform - speech if self.accompaniment == "residual" else others]
                )
            )
        return stems


@lru_cache(maxsize=4)
def _loaded(
    separator: DemucsSeparator, device: torch.device, stamps: tuple[object, ...]
) -> list[engine.Network]:
    """The networks of the last few separators: the trials of a sweep load theirs once in a process.
    `stamps` of the files: one that was written anew is loaded anew.
    """
    return separator._load(device)


def _load(path: Path) -> Any:
    return checkpoints.build(checkpoints.read(path), path)
