"""The bare state of torchaudio's HDEMUCS_HIGH bundles as a checkpoint of demucs.

It is demucs' own network under other names, with a normalisation in its last waveform encoder that
neither of the two ever calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def holds(content: Mapping[str, Any]) -> bool:
    """Whether the content of a file is such a state."""
    return "freq_encoder.0.conv.weight" in content


def as_package(state: Mapping[str, Any]) -> dict[str, Any]:
    """The package `{klass, args, kwargs, state}` that demucs itself would have written."""
    from demucs.hdemucs import HDemucs

    names = {
        "freq_encoder": "encoder",
        "freq_decoder": "decoder",
        "time_encoder": "tencoder",
        "time_decoder": "tdecoder",
    }
    renamed = {}
    for key, value in state.items():
        branch, _, rest = key.partition(".")
        renamed[f"{names.get(branch, branch)}.{rest}"] = value
    for key in ("tencoder.4.norm1.weight", "tencoder.4.norm1.bias"):
        renamed.pop(key, None)
    sources = ["drums", "bass", "other", "vocals"]
    return {
        "klass": HDemucs,
        "args": (),
        "kwargs": {"sources": sources, "channels": 48, "depth": 6, "segment": 10},
        "state": renamed,
    }
