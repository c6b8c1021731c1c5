"""One network of a bag: what it answers, and how many inputs the memory of a GPU holds at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from speechclean.networks.checkpoints import CheckpointError

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
    limits: by input length, how many inputs a GPU's memory held at once where it did not hold all
    """

    module: Any
    shares: tuple[float, ...]
    segment: int
    signature: str
    precision: str = "fp32"
    identity: Mapping[str, Any] = field(default_factory=dict)
    stage: type[Any] | None = None
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
        if sources is None:  # the exception holds the failed pass's tensors until its block ends
            torch.cuda.empty_cache()
            return self.answer(heard)
        weighted = sources * torch.tensor(self.shares, device=sources.device)[:, None, None]
        speech = weighted[:, self.speech]
        return torch.stack([speech, weighted.sum(1) - speech], 1)

    def input_length(self, segment: Segment) -> int:
        """How many samples the network is given for a segment."""
        if getattr(self.module, "use_train_segment", False):
            # HTDemucs is given its training length, however short the segment is.
            return int(self.module.segment * self.module.samplerate)
        # HDemucs takes any length, but a tail of a few samples breaks the reflection at its STFT's
        # ends.
        return max(segment.length, 4 * self.module.nfft)
