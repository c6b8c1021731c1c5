"""Spleeter's model of two stems, vocals and accompaniment.

Hennequin, Khlif, Voituret & Moussallam, "Spleeter: a fast and efficient music source separation
tool with pre-trained models" (JOSS 2020). Its weights come as pickles of numpy, which are read
without trust and kept as safetensors. Segments, shifts, overlap and packing are those of every
separator here; a segment is the 12 s that it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch

from speechclean.audio.waveform import Audio
from speechclean.networks.cache import Cache
from speechclean.networks.checkpoints import freeze
from speechclean.networks.pickled_arrays import converted
from speechclean.networks.weights import published_files
from speechclean.stages.types import Stems
from speechclean.system.borrowed import unchanged_random_state

from .bag_networks import Member
from .demucs import DemucsSeparator
from .network import Network
from .spleeter_network import SpleeterNetwork, fill

#: Its name in the table of weights.
PUBLISHED = "spleeter_2stems"


@dataclass(frozen=True)
class SpleeterSeparator(DemucsSeparator):
    """Spleeter, 2 stems.

    level_db: root mean square at which the networks hear every sound, in dBFS; they were trained on
        music as it is published, and their masks depend on it
    exponent: p of its mask |V|^p / (|V|^p + |A|^p), V and A being the networks' estimates; 2 is the
        publisher's, less leaves more music and harms the voice less

    The rest is as in `DemucsSeparator`. It hears up to 11 kHz; above, the mask is the mean of the
    octave below. Its speech is the mixture under that mask, so fusion takes the mask as it is
    (`is_gain`): a ratio of powers of its two stems would cut a second time.
    """

    is_gain: ClassVar[bool] = True

    name: str = PUBLISHED
    level_db: float = -20.0
    exponent: float = 2.0
    repo: None = field(default=None, init=False)
    fast_layers: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if not -60 <= self.level_db <= 0:
            raise ValueError(f"level_db={self.level_db} must be between -60 and 0 dBFS")
        if not 0 < self.exponent <= 8:
            raise ValueError(
                f"exponent={self.exponent} must be above 0 and at most 8; 2 is its own"
            )
        super().__post_init__()

    def weight_files(self) -> dict[str, Path]:
        """Both networks' files. Raises `MissingWeights`, before anything is loaded."""
        return {path.stem: path for path in self._files}

    def _answer(self, mixtures: Sequence[Audio], cache: Cache) -> list[Stems]:
        return [replace(stems, is_gain=True) for stems in super()._answer(mixtures, cache)]

    def load_networks(self, device: torch.device) -> list[Network]:
        """The network, on a device. Raises `MissingWeights`, `CheckpointError`."""
        own = {"level_db": self.level_db, "exponent": self.exponent}
        return [
            replace(one, identity={**one.identity, **own}) for one in super().load_networks(device)
        ]

    def _members(self) -> Iterator[Member]:
        with unchanged_random_state():
            network = SpleeterNetwork(10 ** (self.level_db / 20), self.exponent)
        for one, path in zip((network.vocals, network.accompaniment), self._files, strict=True):
            fill(one, converted(path), str(path))
        yield PUBLISHED, freeze(network), (1.0,) * len(network.sources)

    def _segment_samples(self, module: Any) -> int:
        own = int(module.segment * module.samplerate)
        return own if self.segment_s is None else min(own, int(self.segment_s * module.samplerate))

    @cached_property
    def _files(self) -> list[Path]:
        return published_files(PUBLISHED)
