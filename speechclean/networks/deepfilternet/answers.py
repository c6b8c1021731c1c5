"""What DeepFilterNet3 answers to a batch of sounds: on one device, from a cache where it can."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from speechclean.audio import edges
from speechclean.audio.stream import Forward, LongAudio, Moments
from speechclean.networks.cache import Cache, Cost, NoCache, keys
from speechclean.networks.cache.code import stage_parts
from speechclean.networks.weights import sha256
from speechclean.system import parallel
from speechclean.system.device import torch_device

from . import files, passes
from .features import RATE
from .network import DeepFilterNetwork

#: What its answers are called among all entries of a cache.
KIND = "deepfilternet"
#: Channels that a GPU takes side by side.
CUDA_ROWS = 32


@dataclass(frozen=True)
class DeepFilterNet:
    """The published network on a device. The files are asked for, and loaded, late.

    level_db: root mean square at which it hears each channel, in dBFS; None: as it is. The network
        does not do this by itself, and takes a voice at -50 dBFS for silence
    edge_context_s: how much of the sound, reflected, it hears beyond its ends
    """

    device: str
    level_db: float | None = None
    edge_context_s: float = 0.0

    @cached_property
    def weight_files(self) -> dict[str, Path]:
        """Its files. Raises `MissingWeights`, `CheckpointError`; nothing is loaded."""
        return files.weight_files()

    @property
    def network(self) -> DeepFilterNetwork:
        """The network, loaded once in a process. Raises as `weight_files` does."""
        return files.loaded(self.weight_files, torch_device(self.device))

    def load(self) -> None:
        """Load the network now, so that an error is told before any sound is read."""
        _ = self.network

    def __call__(self, sounds: Sequence[Tensor], cache: Cache) -> list[Tensor]:
        """The speech in each sound `[channels, samples]` at 48 kHz, of the same shape, on the CPU.

        On a CPU each core takes a sound; a GPU takes channels of several sounds side by side.
        """
        cached = not isinstance(cache, NoCache)
        keys_ = [self._key(sound) if cached else {} for sound in sounds]
        answers = [cache.get(KIND, key) for key in keys_]
        waiting = [index for index, answer in enumerate(answers) if answer is None]
        on_cpu = torch_device(self.device).type == "cpu"
        for group, (computed, cost) in parallel.ordered(
            lambda group: self._together([sounds[index] for index in group]),
            _groups(waiting, sounds, 1 if on_cpu else CUDA_ROWS),
            parallel=on_cpu,
        ):
            for index, answer in zip(group, computed, strict=True):
                cache.put(KIND, keys_[index], answer, cost)
                answers[index] = answer
        return [answer for answer in answers if answer is not None]

    def stream(self, sound: LongAudio) -> Iterator[Tensor]:
        """The same of a sound too long for memory, on the device: pieces `[channels, some]`."""
        samples, scales = self._survey(sound.at_rate(RATE), sound.channels)
        extra = self._beyond[0]
        chunks = (chunk / scales for chunk in sound.at_rate(RATE))
        source = Forward(edges.extended_stream(chunks, *self._beyond))
        pieces = passes.enhanced(self.network, source.read, sound.channels, samples + 2 * extra)
        pieces = edges.inner(pieces, extra, samples)
        while (piece := self._next(pieces)) is not None:
            yield piece * scales.to(piece.device)

    def _next(self, pieces: Iterator[Tensor]) -> Tensor | None:
        # As many threads as share a sum in `__call__`, so that it is rounded alike.
        with parallel.threads(keys.threads_per_piece()):
            return next(pieces, None)

    def _together(self, sounds: Sequence[Tensor]) -> tuple[list[Tensor], Cost]:
        """The answers to sounds whose channels share passes, and what each of them took."""
        started = time.perf_counter()
        extra = self._beyond[0]
        longest = max(sound.shape[-1] for sound in sounds) + 2 * extra
        scales = [self._survey(iter([sound.cpu()]), len(sound))[1] for sound in sounds]
        extended = [
            edges.extended(sound / scale.to(sound.device), *self._beyond)
            for sound, scale in zip(sounds, scales, strict=True)
        ]
        rows = torch.cat([functional.pad(one, (0, longest - one.shape[-1])) for one in extended])
        pieces = passes.enhanced(
            self.network, lambda start, end: rows[:, start:end], len(rows), longest
        )
        answers = torch.cat([piece.cpu() for piece in pieces], -1)
        parts = answers.split([len(sound) for sound in sounds])
        cut = [
            part[:, extra : extra + sound.shape[-1]] * scale
            for part, sound, scale in zip(parts, sounds, scales, strict=True)
        ]
        seconds = (time.perf_counter() - started) / parallel.beside() / len(sounds)
        return cut, Cost(passes.count(longest), seconds)

    @property
    def _beyond(self) -> tuple[int, int]:
        """Samples that are heard beyond either end, and how far inside their reflection begins."""
        return round(self.edge_context_s * RATE), edges.skipped(RATE)

    def _survey(self, chunks: Iterator[Tensor], channels: int) -> tuple[int, Tensor]:
        """Samples of a sound, and what each channel is divided by. Shape: `[channels, 1]`."""
        samples, moments = 0, [Moments() for _ in range(channels)]
        for chunk in chunks:
            samples += chunk.shape[-1]
            for channel, one in zip(chunk, moments, strict=True):
                one.feed(channel)
        if self.level_db is None:
            return samples, torch.ones(channels, 1)
        level = 10 ** (self.level_db / 20)
        return samples, torch.tensor([[max(one.deviation(), 1e-8) / level] for one in moments])

    def _key(self, sound: Tensor) -> dict[str, Any]:
        """Everything that an answer depends on."""
        return stage_parts(type(self)) | {
            "weights": [sha256(path) for path in self.weight_files.values()],
            "input": keys.samples(sound),
            "level_db": self.level_db,
            "edge_context": self._beyond,
            "arithmetic": keys.arithmetic(torch_device(self.device), keys.threads_per_piece()),
        }


def _groups(waiting: Sequence[int], sounds: Sequence[Tensor], rows: int) -> Iterator[list[int]]:
    """Indices of sounds that share passes: up to `rows` channels, but one sound at least.

    The longest come first, so that what shares passes is of about one length.
    """
    group: list[int] = []
    for index in sorted(waiting, key=lambda one: -sounds[one].shape[-1]):
        if group and sum(len(sounds[one]) for one in [*group, index]) > rows:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def check_knobs(level_db: float | None, edge_context_s: float) -> None:
    """Raise `ValueError` for a knob that the network cannot have."""
    edges.check(edge_context_s)
    if level_db is not None and not -60 <= level_db <= 0:
        raise ValueError(f"level_db={level_db} must be between -60 and 0 dBFS, or null: as it is")
