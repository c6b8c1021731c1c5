"""Small RoFormers with random weights, in the files that their community shares: a checkpoint and
the yaml that it was trained with. Building one needs the `roformer` extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from speechclean.stages.separators.roformer_network import RoformerConfig, RoformerNetwork

RATE = 44100
#: What is in every such file and has nothing to do with the answer.
TRAINING = "  batch_size: 2\n  lr: 1.0e-05\n  optimizer: adam\n  use_amp: true\n"


def config(
    kind: str,
    *,
    stems: int = 1,
    target: str | None = "vocals",
    more: str = "",
    chunk: int = RATE // 2,
) -> str:
    """A config as they come, tuples with Python's tag; half a second of 44.1 kHz stereo."""
    shape = "  num_bands: 60\n  sample_rate: 44100\n"
    if kind == "bs":
        bands = [2] * 24 + [4] * 12 + [12] * 8 + [24] * 8 + [48] * 8 + [128, 129]
        shape = "  freqs_per_bands: !!python/tuple\n" + "".join(f"    - {band}\n" for band in bands)
        shape += "  linear_transformer_depth: 0\n"
    instruments = (
        ["vocals", "other"] if target or stems == 2 else ["bass", "drums", "other", "vocals"]
    )
    return (
        f"audio:\n  chunk_size: {chunk}\n  num_channels: 2\n  sample_rate: {RATE}\n  "
        "min_mean_abs: 0.000\n"
        f"model:\n  dim: 16\n  depth: 1\n  stereo: true\n  num_stems: {stems}\n  "
        "time_transformer_depth: 1\n"
        f"  freq_transformer_depth: 1\n{shape}  dim_head: 8\n  heads: 2\n  attn_dropout: 0.1\n  "
        "ff_dropout: 0.1\n"
        "  flash_attn: false\n  dim_freqs_in: 1025\n  stft_n_fft: 2048\n  stft_hop_length: 441\n "
        " stft_win_length: 2048\n"
        "  stft_normalized: false\n  mask_estimator_depth: 1\n"
        "  multi_stft_resolutions_window_sizes: !!python/tuple\n  - 4096\n  - 2048\n"
        f"{more}training:\n{TRAINING}  instruments: {instruments}\n  target_instrument: "
        f"{target or 'null'}\n"
        "inference:\n  batch_size: 4\n  num_overlap: 2\n"
    )


def write(folder: Path, kind: str, name: str = "model", seed: int = 0, **fields: Any) -> Path:
    """A checkpoint with random weights and its config beside it."""
    path = folder / f"{name}.yaml"
    path.write_text(config(kind, **fields))
    torch.manual_seed(seed)
    torch.save(
        RoformerNetwork(RoformerConfig.read(path)).inner.state_dict(), folder / f"{name}.ckpt"
    )
    return folder / f"{name}.ckpt"
