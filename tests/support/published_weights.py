"""Random weights in the published architectures, in the very files that their publishers serve: the
hub's safetensors, the legacy server's pickles, quantised by DiffQ where the published ones are."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from speechclean.networks.weights.registry import models
from tests.support.random_weights import (
    HTDEMUCS_FT,
    MDX_EXTRA_Q,
    hdemucs,
    htdemucs,
    write_dns64,
)

#: As in demucs' own training config: parameters share their bits in groups, small layers keep all
#: of theirs.
DIFFQ = {"group_size": 8, "min_size": 0.2}
#: What both published configs have in common; the tuples as they come.
_ROFORMER = """\
audio:
  chunk_size: 352800
  num_channels: 2
  sample_rate: 44100
model:
  dim: {dim}
  depth: {depth}
  stereo: true
  num_stems: 1
  time_transformer_depth: 1
  freq_transformer_depth: 1
{bands}
  dim_head: 64
  heads: 8
  attn_dropout: 0.1
  ff_dropout: 0.1
  flash_attn: true
  dim_freqs_in: 1025
  stft_n_fft: 2048
  stft_hop_length: 441
  stft_win_length: 2048
  stft_normalized: false
  mask_estimator_depth: 2
  multi_stft_resolutions_window_sizes: !!python/tuple [4096, 2048, 1024, 512, 256]
training:
  instruments: [vocals, other]
  target_instrument: vocals
inference:
  batch_size: 4
  num_overlap: 2
"""
_BANDS = [2] * 24 + [4] * 12 + [12] * 8 + [24] * 8 + [48] * 8 + [128, 129]
ROFORMERS = {
    "roformer_mel_kim": {"dim": 384, "depth": 6, "bands": "  num_bands: 60\n  sample_rate: 44100"},
    "roformer_bs_viperx": {
        "dim": 512,
        "depth": 12,
        "bands": f"  linear_transformer_depth: 0\n  freqs_per_bands: !!python/tuple {_BANDS}",
    },
}


def quantised(model: torch.nn.Module) -> dict[str, Any]:
    """The network's state as DiffQ packs it."""
    from diffq import DiffQuantizer

    return DiffQuantizer(model, **DIFFQ).get_quantized_state() | {"__quantized": True}


def save_safetensors(model: Any, path: Path, state: dict[str, Any] | None = None) -> None:
    """In the hub's layout: class and arguments as json in the metadata; a nested `state` as tensors
    and their structure.
    """
    from safetensors.torch import save_file

    args, kwargs = model._init_args_kwargs
    written = json.dumps(kwargs, default=_fraction)
    metadata = {
        "klass": f"{type(model).__module__}.{type(model).__name__}",
        "args": json.dumps(args),
        "kwargs": written,
    }
    tensors: dict[str, torch.Tensor] = {}

    def flat(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            tensors[str(len(tensors))] = value.clone().contiguous()
            return {"_tensor": str(len(tensors) - 1)}
        if isinstance(value, dict):
            return {"_dict": [[key, flat(item)] for key, item in value.items()]}
        if isinstance(value, list | tuple):
            return {
                "_list" if isinstance(value, list) else "_tuple": [flat(item) for item in value]
            }
        return (
            {"_class": f"{value.__module__}.{value.__qualname__}"}
            if isinstance(value, type)
            else value
        )

    if state is None:
        save_file(
            {key: value.contiguous() for key, value in model.state_dict().items()}, path, metadata
        )
    else:
        structure = json.dumps(flat(state))
        save_file(tensors, path, metadata | {"structure": structure})


def _fraction(value: Fraction) -> dict[str, Any]:
    return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}


def write(folder: Path) -> None:
    """What `best_pipeline` needs, the same bytes every time."""
    from demucs.states import save_with_checksum, serialize_model
    from omegaconf import OmegaConf

    folder.mkdir(parents=True, exist_ok=True)
    for seed, signature in enumerate(HTDEMUCS_FT):
        torch.manual_seed(seed)
        save_safetensors(htdemucs().half(), folder / f"{signature}.safetensors")
    for seed, signature in enumerate(MDX_EXTRA_Q):
        torch.manual_seed(seed)
        network = hdemucs()
        if seed % 2:
            save_safetensors(network, folder / f"{signature}.safetensors", quantised(network))
        else:
            package = serialize_model(network, OmegaConf.create({})) | {"state": quantised(network)}
            save_with_checksum(package, folder / f"{signature}.th")
    write_dns64(folder)


def write_metrics(folder: Path) -> None:
    """What `wer_whisper` (base.en), `music_presence` and `squim` need, in half or full precision as
    published.
    """
    from torchaudio.models import squim_objective_base
    from whisper.model import ModelDimensions, Whisper

    from speechclean.stages.metrics.music_presence import architecture

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    dims = ModelDimensions(80, 1500, 512, 8, 6, 51864, 448, 512, 8, 6)
    torch.save(
        {"dims": vars(dims), "model_state_dict": Whisper(dims).half().state_dict()},
        folder / "base.en.pt",
    )
    for name, content in (
        ("panns-cnn14", {"model": architecture().state_dict()}),
        ("squim_objective", squim_objective_base().state_dict()),
    ):
        torch.save(content, folder / models()[name].files[0].urls[0].name)


def write_roformer(folder: Path, name: str) -> tuple[Path, Path]:
    """A published RoFormer and its config, under their published names."""
    from speechclean.stages.separators.roformer_network import RoformerConfig, RoformerNetwork

    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, config = (folder / file.urls[0].name for file in models()[name].files)
    config.write_text(_ROFORMER.format(**ROFORMERS[name]))
    torch.manual_seed(0)
    torch.save(RoformerNetwork(RoformerConfig.read(config)).inner.state_dict(), checkpoint)
    return checkpoint, config
