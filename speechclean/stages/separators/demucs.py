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

from speechclean.audio import edges
from speechclean.audio.stream import Forward, LongAudio
from speechclean.audio.waveform import Audio, resample
from speechclean.networks.cache import Cache, NoCache
from speechclean.networks.weights import Bag, demucs_bag, sha256
from speechclean.stages.types import Stems
from speechclean.system.device import torch_device

from . import bag_networks, engine, precision, segments, stream_engine
from .network import Network
from .schedule import Schedule, check_knobs

ACCOMPANIMENTS = ("residual", "stems")
#: Length of what a stream answers at a time, in seconds.
STEP_S = 10.0
#: Segments in one forward pass on a GPU, at most.
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
        None is `CUDA_BATCH`. On a CPU each core takes one segment at a time
    precision: `fp32`, `tf32` or `fp16`, on a GPU that keeps 50 dB with it (`precision.py`); a CPU
        computes in fp32
    fast_layers: layers of the networks are swapped for faster ones with the same answers (`tuned/`)
    edge_context_s: how much of the sound, reflected, the networks hear beyond its ends
    length_step_s: networks that take any length are given multiples of it, so that clips and shifts
        of like length share passes; 0: each its own length
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
    fast_layers: bool = True
    edge_context_s: float = 0.0
    length_step_s: float = 0.0

    def __post_init__(self) -> None:
        check_knobs(self.shifts, self.overlap, self.segment_s, self.batch_size, self.length_step_s)
        edges.check(self.edge_context_s)
        if self.accompaniment not in ACCOMPANIMENTS:
            raise ValueError(
                f"accompaniment={self.accompaniment!r} must be one of {', '.join(ACCOMPANIMENTS)}"
            )
        if self.precision not in precision.PRECISIONS:
            raise ValueError(
                f"precision={self.precision!r} must be one of {', '.join(precision.PRECISIONS)}"
            )
        torch_device(self.device)

    def weight_files(self) -> dict[str, Path]:
        """The files that would be loaded, by signature, and a local bag's definition.

        Raises `MissingWeights`; nothing is loaded.
        """
        own = {f"{self.name}.yaml": self._bag.definition} if self._bag.definition else {}
        return self._bag.files | own

    @property
    def sample_rate(self) -> int:
        """Rate of the stems, in Hz; loads the network."""
        return int(self._networks[0].module.samplerate)

    def __call__(self, mixtures: Sequence[Audio]) -> list[Stems]:
        """Stems at the network's own rate, one per mixture, each on its mixture's device.

        A mixture with another number of channels than the network's is separated channel by
        channel: the network is given as many copies of a channel as it has channels.
        """
        return self._answer(mixtures, NoCache())

    def reusing(self, cache: Cache) -> Callable[[Sequence[Audio]], list[Stems]]:
        """The same separator, with its estimates cached: the answers are the same, bit by bit."""
        return partial(self._answer, cache=cache)

    @torch.inference_mode()
    def _answer(self, mixtures: Sequence[Audio], cache: Cache) -> list[Stems]:
        network = self._networks[0].module
        heard = [resample(mixture, network.samplerate) for mixture in mixtures]
        # An input's fingerprint is taken before resampling: no resampler has a say in the shifts.
        contents = [
            segments.fingerprint(rows)
            for mixture in mixtures
            for rows in self._groups(mixture, network)
        ]
        voices = [
            self._voice(rows, network) for audio in heard for rows in self._groups(audio, network)
        ]
        residual = self.accompaniment == "residual"
        answers = iter(
            engine.separate(self._networks, voices, contents, self._schedule, cache, residual)
        )
        stems = []
        for mixture, audio in zip(mixtures, heard, strict=True):
            if audio.channels == network.audio_channels:
                answer = next(answers)
            else:
                rows = [next(answers).mean(1, keepdim=True) for _ in range(audio.channels)]
                answer = torch.cat(rows, 1)
            speech, music = answer.to(mixture.waveform.device)
            stems.append(Stems(audio.with_waveform(speech), audio.with_waveform(music)))
        return stems

    @torch.inference_mode()
    def stream(self, sound: LongAudio) -> Iterator[Tensor]:
        """Speech and music of a sound too long for memory, at the network's rate, in order.

        The same samples as `__call__` gives, up to rounding: a first pass over the file takes its
        level and its fingerprint. Shape of the pieces: `[2, channels, some]`.
        """
        network = self._networks[0].module
        whole = sound.channels == network.audio_channels
        groups = [slice(channel, channel + 1) for channel in range(sound.channels)]
        groups = [slice(None)] if whole else groups
        contents, scales, samples = stream_engine.survey(sound, groups, network.samplerate)
        schedule, streams = self._schedule, []
        for rows, content, scale in zip(groups, contents, scales, strict=True):
            passes = [
                stream_engine.scaled(
                    stream_engine.one_pass(
                        one,
                        stream_engine.source(sound, rows, scale, one, schedule),
                        samples,
                        offset,
                        schedule,
                    ),
                    scale / len(offsets),  # digital silence has the scale 0
                )
                for one in self._networks
                for offsets in [schedule.offsets(one, content)]
                for offset in offsets
            ]
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

    @cached_property
    def _schedule(self) -> Schedule:
        # On a CPU each core has a segment of its own, and sums of another size round differently.
        size = 1 if torch_device(self.device).type == "cpu" else self.batch_size or CUDA_BATCH
        own = self.accompaniment == "residual", self.edge_context_s, self.length_step_s
        return Schedule(self.shifts, self.overlap, size, self.seed, *own)

    @cached_property
    def _bag(self) -> Bag:
        return demucs_bag(self.name, self.repo)

    @cached_property
    def _networks(self) -> list[Network]:
        stamps = tuple(
            (path, path.stat().st_size, path.stat().st_mtime_ns)
            for path in self.weight_files().values()
        )
        own: dict[str, Any] = {"batch_size": None, "edge_context_s": 0.0, "length_step_s": 0.0}
        standard = replace(self, shifts=1, overlap=0.25, seed=0, **own)
        return _loaded(standard, torch_device(self.device), stamps)

    def load_networks(self, device: torch.device) -> list[Network]:
        """Those networks of the bag whose estimates reach what is asked for, on a device.

        Raises `MissingWeights`, `CheckpointError`.
        """
        weights = sorted(sha256(path) for path in self.weight_files().values())
        loaded = []
        for signature, module, shares in self._members():
            module = bag_networks.prepared(module, device, self.fast_layers)
            samples = self._segment_samples(module)
            admitted = precision.admitted(module, self.precision, samples)
            identity = {"weights": weights, "network": signature, "fast_layers": self.fast_layers}
            loaded.append(
                Network(module, shares, samples, signature, admitted, identity, stage=type(self))
            )
        return loaded

    def _members(self) -> Iterator[bag_networks.Member]:
        return bag_networks.members(self._bag, with_music=self.accompaniment == "stems")

    def _segment_samples(self, module: Any) -> int:
        wanted_s = self.segment_s if self.segment_s is not None else self._bag.segment_s
        return bag_networks.segment_samples(module, wanted_s)

    def _groups(self, audio: Audio, network: Any) -> list[Tensor]:
        """The channels that the network is given together: all if it takes as many, else one."""
        whole = audio.channels == network.audio_channels
        return [audio.waveform] if whole else list(audio.waveform.split(1))

    def _voice(self, rows: Tensor, network: Any) -> Tensor:
        """A group as the network is given it: `[its channels, samples]` on its device."""
        return rows.to(torch_device(self.device)).expand(network.audio_channels, -1)


@lru_cache(maxsize=4)
def _loaded(
    separator: DemucsSeparator,
    device: torch.device,
    stamps: tuple[object, ...],  # noqa: ARG001 (part of the cache's key)
) -> list[Network]:
    """The networks of the last few separators, which the trials of a sweep load once in a process.

    The `stamps` of the files make sure that a file that has changed is loaded again.
    """
    return separator.load_networks(device)
