"""Whose voice it is: embeddings of speech that are alike for one speaker.

Wan et al., "Generalized End-to-End Loss for Speaker Verification", ICASSP 2018: an LSTM over mel
spectra of 1.6 s, whose last state is the embedding. With the weights of Resemblyzer
(github.com/resemble-ai/Resemblyzer), and stretches that overlap like its own.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from speechclean.networks.checkpoints import CheckpointError, freeze, read
from speechclean.system.borrowed import unchanged_random_state

from .mel import mel_spectrum

RATE = 16000
_HOP, _BANDS, _SIZE = 160, 40, 256
#: Frames that are heard at once (1.6 s), and from one such stretch to the next (1.3 a second).
_STRETCH, _STEP = 160, 77
#: A last stretch with less sound in it is left out.
_LEAST_FILLED = 0.75


class SpeakerEncoder(nn.Module):
    """Mel spectra `[batch, frames, 40]` to embeddings `[batch, 256]` of length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(_BANDS, _SIZE, 3, batch_first=True)
        self.linear = nn.Linear(_SIZE, _SIZE)

    def forward(self, mels: Tensor) -> Tensor:
        """Embeddings; each stretch starts from nothing."""
        _, (hidden, _) = self.lstm(mels)
        return nn.functional.normalize(self.linear(hidden[-1]).relu(), dim=1)

    @torch.inference_mode()
    def embedding(self, sound: Tensor) -> Tensor:
        """The voice of a sound `[samples]` at 16 kHz: `[256]`, of length 1.

        The mean over its stretches; a short one is followed by silence.
        """
        frames = math.ceil((len(sound) + 1) / _HOP)
        starts = list(range(0, max(1, frames - _STRETCH + _STEP + 1), _STEP))
        if len(starts) > 1 and len(sound) / _HOP - starts[-1] < _LEAST_FILLED * _STRETCH:
            starts.pop()
        end = (starts[-1] + _STRETCH) * _HOP
        padded = nn.functional.pad(sound, (0, max(0, end - len(sound))))
        mel = mel_spectrum(padded[None], RATE, n_fft=400, hop=_HOP, bands=_BANDS)[0]
        stretches = torch.stack([mel[start : start + _STRETCH] for start in starts])
        return nn.functional.normalize(self(stretches).mean(0), dim=0)


@functools.cache
def load(path: Path, device: str) -> SpeakerEncoder:
    """The network of a published file. Raises `CheckpointError`."""
    package = read(path)
    with unchanged_random_state():
        network = SpeakerEncoder()
    try:
        state = package["model_state"]
        network.load_state_dict({name: state[name] for name in network.state_dict()})
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: not a checkpoint of the speaker encoder ({str(error)[:300]})"
        ) from error
    freeze(network).to(device)
    return network
