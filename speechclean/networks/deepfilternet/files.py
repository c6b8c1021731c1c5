"""The published files: three ONNX graphs and the config that they were trained with."""

from __future__ import annotations

import configparser
from functools import lru_cache
from pathlib import Path

import torch

from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import published_files
from speechclean.system import allocator

from . import features, network
from .network import DeepFilterNetwork

#: Its name in the table of weights, and the network's name wherever one is asked for.
PUBLISHED = "deepfilternet3"
GRAPHS = ("enc", "erb_dec", "df_dec")
#: What the config has to say under `[df]` for the code beside this to be the model's own.
_CONFIG = {
    "sr": features.RATE,
    "fft_size": features.WINDOW,
    "hop_size": features.HOP,
    "nb_erb": features.BANDS,
    "nb_df": features.LOW_BINS,
    "min_nb_erb_freqs": features.LEAST_BINS,
    "norm_tau": 1,
    "df_order": network.ORDER,
    "df_lookahead": features.LOOKAHEAD,
}


def weight_files() -> dict[str, Path]:
    """The files by their names without extension: `enc`, `erb_dec`, `df_dec`, `config`.

    Raises `MissingWeights`, and `CheckpointError` if one is damaged.
    """
    return {path.stem: path for path in published_files(PUBLISHED)}


def loaded(files: dict[str, Path], device: torch.device) -> DeepFilterNetwork:
    """The network on a device, loaded once in a process. Raises `CheckpointError`."""
    stamps = tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files.values())
    return _loaded(tuple(files.items()), device, stamps)


@lru_cache(maxsize=2)
def _loaded(
    files: tuple[tuple[str, Path], ...],
    device: torch.device,
    stamps: tuple[object, ...],  # noqa: ARG001 (a file that has changed is loaded again)
) -> DeepFilterNetwork:
    paths = dict(files)
    _check(paths["config"])
    own = network.build({graph: paths[graph] for graph in GRAPHS})
    if device.type == "cpu":
        allocator.suit(own)
    return own.to(device)


def _check(path: Path) -> None:
    """Raise `CheckpointError` for a config of another model."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
        own = {key: float(parser["df"][key]) for key in _CONFIG}
        kind = parser["train"]["model"]
    except (configparser.Error, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: not the config of a DeepFilterNet ({error})") from error
    other = {key: value for key, value in own.items() if value != _CONFIG[key]}
    if kind != PUBLISHED or other:
        raise CheckpointError(
            f"{path}: of a {kind} with {other or 'its own values'}, not {PUBLISHED}"
        )
