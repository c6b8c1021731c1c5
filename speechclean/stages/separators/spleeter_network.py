"""Spleeter's two U-Nets as the engine takes a network.

Hennequin, Khlif, Voituret & Moussallam, "Spleeter: a fast and efficient music source separation
tool with pre-trained models" (JOSS 2020); the network is that of Jansson et al., "Singing Voice
Separation with Deep U-Net Convolutional Networks" (ISMIR 2017). Each of two networks estimates the
magnitudes of one source up to 11 kHz; the mask is the ratio of their squares.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from speechclean.audio.stft import extend_mask, istft, stft
from speechclean.networks.checkpoints import CheckpointError

RATE = 44100
WINDOW, HOP = 4096, 1024
#: Bins that the networks hear of 2049; the rest is above 11 kHz.
BINS = 1024
HEARD_HZ = BINS / WINDOW * RATE
#: Frames of a training example; what the networks are given is a multiple of 2^6 frames.
FRAMES, DEPTH = 512, 6
#: A norm in the files that comes after nothing.
_UNUSED = "down6_act."
CHANNELS = (2, 16, 32, 64, 128, 256, 512)


class SpleeterNetwork(nn.Module):
    """Both U-Nets between an STFT and its inverse, with the attributes that the engine reads.

    level: root mean square that a sound of unit variance is given to the networks with
    exponent: of the estimates in the mask; 2 compares powers
    """

    sources = ("vocals", "accompaniment")
    samplerate, audio_channels, nfft = RATE, 2, WINDOW
    segment = Fraction((FRAMES - 1) * HOP, RATE)

    def __init__(self, level: float, exponent: float = 2.0) -> None:
        super().__init__()
        self.level, self.exponent = level, exponent
        self.vocals, self.accompaniment = _UNet(), _UNet()

    def forward(self, mixture: Tensor) -> Tensor:
        """Shape: `[batch, 2, samples]` -> `[batch, sources, 2, samples]`."""
        spectrum = stft(mixture, WINDOW)
        mask = self.mask(self.level * spectrum.abs())
        speech = istft(spectrum * mask, mixture.shape[-1])
        return torch.stack([speech, mixture - speech], 1)

    def mask(self, magnitudes: Tensor) -> Tensor:
        """The vocals' share of the sum of both estimates' powers: a sigmoid of their log ratio.

        An estimate is a share of the mixture's magnitude, which cancels: there is no silence to
        divide by. Above what the networks hear the mask is the mean of the octave below.

        Shape: `[batch, 2, 2049, frames]` -> the same, values in 0..1.
        """
        frames = magnitudes.shape[-1]
        heard = magnitudes[..., :BINS, :].transpose(-1, -2)
        heard = functional.pad(heard, (0, 0, 0, -frames % 2**DEPTH))
        shares = [functional.logsigmoid(one(heard)) for one in (self.vocals, self.accompaniment)]
        mask = torch.sigmoid(self.exponent * (shares[0] - shares[1]))[..., :frames, :].transpose(
            -1, -2
        )
        unheard = mask.new_zeros(*mask.shape[:-2], magnitudes.shape[-2] - BINS, frames)
        return extend_mask(torch.cat([mask, unheard], -2), RATE, HEARD_HZ)


class _UNet(nn.Module):
    """Six halvings and six doublings of frames and frequencies; the logits of a mask."""

    def __init__(self) -> None:
        super().__init__()
        pairs = list(pairwise(CHANNELS))
        self.down = nn.ModuleList(nn.Conv2d(*pair, 5, stride=2) for pair in pairs)
        self.down_norm = nn.ModuleList(_norm(outputs) for _, outputs in pairs[:-1])
        # From the second doubling on, the halving of the same size is heard beside.
        ups = [(512, 256), (512, 128), (256, 64), (128, 32), (64, 16), (32, 1)]
        self.up = nn.ModuleList(nn.ConvTranspose2d(*pair, 5, stride=2) for pair in ups)
        self.up_norm = nn.ModuleList(_norm(outputs) for _, outputs in ups)
        self.last = nn.Conv2d(1, 2, 4, dilation=2, padding=3)

    def forward(self, heard: Tensor) -> Tensor:
        """Shape: `[batch, 2, frames, 1024]` -> the same."""
        halves: list[Tensor] = []
        for index, layer in enumerate(self.down):
            if halves:
                heard = functional.leaky_relu(self.down_norm[index - 1](halves[-1]), 0.2)
            halves.append(layer(functional.pad(heard, (1, 2, 1, 2))))
        answer = halves.pop()
        for index, (layer, norm) in enumerate(zip(self.up, self.up_norm, strict=True)):
            if index:
                answer = torch.cat([halves.pop(), answer], 1)
            answer = norm(layer(answer)[..., 1:-2, 1:-2].relu())
        return self.last(answer)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def fill(network: nn.Module, arrays: Mapping[str, Tensor], name: str) -> None:
    """Give a U-Net a published state. Raises `CheckpointError` where it does not fit."""
    own = {key for key in network.state_dict() if not key.endswith("num_batches_tracked")}
    try:
        used = {key: value for key, value in arrays.items() if not key.startswith(_UNUSED)}
        state = {_renamed(key): value for key, value in used.items()}
        if odd := own ^ state.keys():
            raise ValueError(f"not in both: {', '.join(sorted(odd)[:5])}")
        network.load_state_dict(state, strict=False)
    except (ValueError, RuntimeError) as error:
        raise CheckpointError(f"{name}: does not fit Spleeter's network ({error})") from error


def _renamed(key: str) -> str:
    """`down3_conv.1.bias`, `down3_act.0.bias`, `up3.0.bias`, `up3.3.bias`, `up7.0.bias`, from 1."""
    block, place, kind = key.split(".")
    number = int("".join(letter for letter in block if letter.isdigit()))
    if block == "up7":
        return f"last.{kind}"
    side = "down" if block.startswith("down") else "up"
    normed = block.endswith("act") or (side == "up" and place == "3")
    return f"{side}{'_norm' if normed else ''}.{number - 1}.{kind}"
