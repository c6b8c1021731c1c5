"""One network of a bag: what it is given, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.gpu_batches import GpuBatches

from . import precision
from .segments import Segment

#: Names of the source that carries the voice, in networks of this project and in those for music.
SPEECH_SOURCES = ("speech", "vocals")


def speech_source(sources: Sequence[str], name: str) -> int:
    """Index of the source that carries the voice among the `sources` of the model `name`.

    Raises `CheckpointError` if none does.
    """
    for source in SPEECH_SOURCES:
        if source in sources:
            return list(sources).index(source)
    raise CheckpointError(f"{name}: separates {list(sources)}, none of which is speech or vocals")


@lru_cache(maxsize=64)
def _column(shares: tuple[float, ...], device: torch.device) -> Tensor:
    """Shares on a device, `[sources, 1, 1]`: copied there once, since a GPU waits for each copy."""
    return torch.tensor(shares, device=device)[:, None, None]


@dataclass(frozen=True)
class Network:
    """One network of a bag.

    module: takes `[batch, channels, samples]`, gives `[batch, sources, channels, samples]`
    shares: its share in the bag's estimate of each source
    segment: length of a segment, in samples
    signature: its name in the bag
    precision: what a GPU computes in
    identity: what its answers depend on besides their input, as part of cache keys
    stage: the separator's class, whose code its answers depend on
    batches: how many inputs go through it at once
    """

    module: Any
    shares: tuple[float, ...]
    segment: int
    signature: str
    precision: str = "fp32"
    identity: Mapping[str, Any] = field(default_factory=dict)
    stage: type[Any] | None = None
    batches: GpuBatches = field(default_factory=GpuBatches)

    @property
    def speech(self) -> int:
        """Index of the source that carries the voice."""
        return speech_source(self.module.sources, self.signature)

    @property
    def fixed(self) -> bool:
        """Whether it is given its training length, however short a segment is, as HTDemucs is."""
        return bool(getattr(self.module, "use_train_segment", False))

    def answer(self, heard: Tensor) -> Tensor:
        """The network's share of the speech and of the sum of the other sources.

        Shape: `[batch, channels, samples]` -> `[batch, 2, channels, samples]`. A batch that memory
        does not hold goes through in parts.
        """
        return self.batches.answer(self._answer, heard)

    def _answer(self, heard: Tensor) -> Tensor:
        sources = precision.answer(self.module, heard, self.precision)
        weighted = sources * _column(self.shares, sources.device)
        speech = weighted[:, self.speech]
        return torch.stack([speech, weighted.sum(1) - speech], 1)

    def input_length(self, segment: Segment, step: int = 0) -> int:
        """How many samples the network is given for a segment.

        One that takes any length is given the next multiple of `step`, but no more than a whole
        segment; 0 is the segment's own length.
        """
        if self.fixed:
            return int(self.module.segment * self.module.samplerate)
        stepped = -(-segment.length // step) * step if step else segment.length
        # HDemucs takes any length, but a tail of a few samples breaks the reflection at its STFT's
        # ends.
        return max(segment.length, min(stepped, self.segment), 4 * self.module.nfft)
