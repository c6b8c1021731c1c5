"""The networks of a bag that have to run, loaded and on their device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from speechclean.networks import checkpoints
from speechclean.networks.weights import Bag
from speechclean.system import allocator

from .network import speech_source
from .tuned import tune

#: A network's signature, the network, and its share in the bag's estimate of each source.
Member = tuple[str, Any, tuple[float, ...]]


def members(bag: Bag, with_music: bool) -> Iterator[Member]:
    """Those networks of a bag whose weight for the speech is not zero, one by one.

    `with_music`: also those that only reach the other sources. The rest is not even loaded.
    """
    paths = list(bag.files.items())
    first = _built(paths[0][1])
    speech = speech_source(first.sources, bag.name)
    weights = torch.tensor(bag.weights or [[1.0] * len(first.sources)] * len(paths))
    for index, own in enumerate(weights / weights.sum(0)):
        if own[speech] or (with_music and own.any()):
            signature, path = paths[index]
            yield signature, _built(path) if index else first, tuple(own.tolist())


def prepared(module: Any, device: torch.device, fast_layers: bool) -> Any:
    """A network on its device, with `fast_layers` if they are wanted."""
    if device.type == "cpu":
        allocator.suit(module)
    if fast_layers:
        tune(module.to(device), device.type)
    return module.to(device)


def segment_samples(module: Any, wanted_s: float | None) -> int:
    """The length of a segment, in samples; a transformer takes no more than it was trained on."""
    own = float(module.segment)
    if wanted_s is not None and getattr(module, "use_train_segment", False):
        wanted_s = min(wanted_s, own)
    return int((own if wanted_s is None else wanted_s) * module.samplerate)


def _built(path: Path) -> Any:
    return checkpoints.build(checkpoints.read(path), path)
