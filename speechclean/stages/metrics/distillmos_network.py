"""The network of DistillMOS: convolutions over a compressed spectrum, then a transformer.

Stahl and Gamper, "Distillation and Pruning for Scalable Self-Supervised Representation-Based
Speech Quality Assessment", ICASSP 2025; layers and their names as in the published weights
(github.com/microsoft/Distill-MOS), which are loaded as data.
"""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import torch
from torch import Tensor, nn

from speechclean.networks.checkpoints import CheckpointError, freeze, read
from speechclean.system.borrowed import unchanged_random_state

#: What it hears at once: 7.68 s at 16 kHz, 768 frames.
WINDOW = 122880
_N_FFT, _HOP = 320, 160
_WIDTH, _HEADS, _LAYERS = 200, 8, 7
#: From the published names of layers to those used here.
_PREFIXES = (
    ("cnn.cnn.", "convolutions."),
    ("transformer_pool_attn.transformer.position_encoding.pe", "positions"),
    ("transformer_pool_attn.transformer.transformer_encoder.", "transformer."),
    ("transformer_pool_attn.transformer.linear_proj.", "narrow."),
    ("transformer_pool_attn.transformer.norm.", "second_norm."),
    ("transformer_pool_attn.norm_input.", "first_norm."),
    ("transformer_pool_attn.norm_trans.", "last_norm."),
    ("transformer_pool_attn.pool.linear1.", "weigh.0."),
    ("transformer_pool_attn.pool.linear2.", "weigh.2."),
    ("transformer_pool_attn.pool.linear3.", "score."),
)


class DistillMosNetwork(nn.Module):
    """Windows `[batch, WINDOW]` at 16 kHz to opinion scores `[batch, 1]`, 1 to 5."""

    def __init__(self) -> None:
        super().__init__()
        channels = [2, 64, 64, 128, 256, 256, 256]
        layers: list[nn.Module] = []
        for index, (inside, outside) in enumerate(itertools.pairwise(channels)):
            stride = (1 if index == 0 else 2, 2 if index == 5 else 1)
            layers += [nn.Conv2d(inside, outside, 3, stride, (0, 1)), nn.LeakyReLU(0.1)]
        self.convolutions = nn.Sequential(*layers)
        self.first_norm, self.second_norm = nn.BatchNorm1d(1024), nn.BatchNorm1d(1024)
        self.narrow = nn.Linear(1024, _WIDTH)
        self.register_buffer("positions", torch.zeros(1, 384, _WIDTH))
        layer = nn.TransformerEncoderLayer(_WIDTH, _HEADS, 2 * _WIDTH, 0.0, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, _LAYERS)
        self.last_norm = nn.BatchNorm1d(_WIDTH)
        self.weigh = nn.Sequential(nn.Linear(_WIDTH, 2 * _WIDTH), nn.ReLU(), nn.Linear(400, 1))
        self.score = nn.Linear(_WIDTH, 1)

    def forward(self, windows: Tensor) -> Tensor:
        """Scores of windows, each brought to full scale first."""
        windows = windows / (windows.abs().amax(1, keepdim=True) + 1e-8)
        features = self.convolutions(compressed_spectrum(windows)).flatten(1, 2)
        features = self.second_norm(self.first_norm(features)).transpose(1, 2)
        frames = self.transformer(self.narrow(features) + self.positions)
        frames = self.last_norm(frames.transpose(1, 2)).transpose(1, 2)
        pooled = (self.weigh(frames).softmax(1) * frames).sum(1)
        return 1 + 4 * self.score(pooled).sigmoid()


def compressed_spectrum(windows: Tensor) -> Tensor:
    """Real and imaginary part with their magnitude to the power of 0.3.

    Shape: `[batch, samples]` to `[batch, 2, frequencies, frames]`.
    """
    edge = (_N_FFT - _HOP) // 2
    padded = nn.functional.pad(windows, (edge, edge), mode="reflect")
    window = torch.hann_window(_N_FFT, device=windows.device)
    spectrum = torch.stft(padded, _N_FFT, _HOP, window=window, center=False, return_complex=True)
    magnitude = spectrum.abs().clamp(min=1e-12)
    return torch.view_as_real(spectrum * magnitude**-0.7).permute(0, 3, 1, 2)


@functools.cache
def load(path: Path, device: str) -> DistillMosNetwork:
    """The network of a published file. Raises `CheckpointError`."""
    package = read(path)
    with unchanged_random_state():
        network = DistillMosNetwork()
    try:
        network.load_state_dict({_own(name): value for name, value in package["model"].items()})
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: not a checkpoint of DistillMOS ({str(error)[:300]})"
        ) from error
    freeze(network).to(device)
    return network


def _own(name: str) -> str:
    for published, own in _PREFIXES:
        if name.startswith(published):
            return own + name.removeprefix(published)
    return name
