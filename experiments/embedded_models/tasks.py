"""Tasks that a network is trained for.

Where its batches come from, its loss, and its score on held-out voices and tracks.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.embedded_models.data import SAMPLE_RATE, Bank, read_bank
from experiments.embedded_models.losses import (
    Weights,
    compressed,
    log_error,
    power,
    separator_loss,
    si_sdr,
)
from experiments.embedded_models.mixing import Recipe, batch
from experiments.embedded_models.pools import make_pools
from experiments.embedded_models.validate import score, valid_set
from speechclean.audio import stft

# the window of speechclean.stages.enhancement.denoiser
GAIN_FFT = stft.window_length(16_000, 0.032)
SCORES = ("before_db", "after_db", "plain_db")


def gained(answer: Tensor, spectrum: Tensor) -> Tensor:
    """The magnitude of a denoiser's `answer` as a gain up to 1 on `spectrum`: what ships.

    Shape: complex `[..., freqs, frames]`.
    """
    gain = ((power(answer) + 1e-12) / (power(spectrum) + 1e-12)).sqrt()
    return spectrum * gain.clamp(max=1)


def open_banks(folder: Path) -> dict[str, Bank]:
    """Every bank in the folder that is complete."""
    return {path.stem: read_bank(folder, path.stem) for path in sorted(folder.glob("*.csv"))}


@dataclass
class SeparationTask:
    """Music and speech out of a mixture at 24 kHz.

    A batch is `[size, 2, samples]`, (music, speech).
    """

    folder: Path
    crop_s: float = 3.0
    valid_count: int = 48
    recipe: Recipe = field(default_factory=Recipe)
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        banks = open_banks(self.folder)
        self.pools = make_pools(banks, "train", self.recipe.real)
        self.held_out = valid_set(
            make_pools(banks, "valid", 1.0), self.valid_count, 4 * SAMPLE_RATE
        )

    def batch(self, rng: np.random.Generator, size: int) -> Tensor:
        return torch.from_numpy(
            batch(rng, self.pools, size, int(self.crop_s * SAMPLE_RATE), self.recipe)
        )

    def loss(self, model: nn.Module, sources: Tensor) -> Tensor:
        return separator_loss(model(sources.sum(1, keepdim=True)), sources, self.weights)

    def score(self, model: nn.Module) -> dict[str, float]:
        return score(model, self.held_out.to(next(model.parameters()).device), self.valid_count)


@dataclass
class DenoisingTask:
    """Speech out of what the separators leave, at 16 kHz.

    A batch is `[size, 2, samples]`, (separated, speech).

    `folder` holds `pairs_train.npy` and `pairs_valid.npy`, int16 `[pairs, 2, samples]`, written by
    remains.py.
    """

    folder: Path
    crop_s: float = 3.0

    def __post_init__(self) -> None:
        self.pairs = np.load(self.folder / "pairs_train.npy", mmap_mode="r")
        self.held_out = torch.from_numpy(
            np.load(self.folder / "pairs_valid.npy").astype(np.float32) / 32768
        )

    def batch(self, rng: np.random.Generator, size: int) -> Tensor:
        length = min(int(self.crop_s * 16_000), self.pairs.shape[-1])
        out = np.zeros((size, 2, length), np.float32)
        for row in out:
            at = int(rng.integers(self.pairs.shape[-1] - length + 1))
            pair = (
                self.pairs[int(rng.integers(len(self.pairs)))][:, at : at + length].astype(
                    np.float32
                )
                / 32768
            )
            separated, speech = pair
            if rng.random() < 0.3:  # as far out as a worse or better separator would leave it
                separated = speech + (separated - speech) * rng.uniform(0.0, 1.6)
            row[:] = np.stack([separated, speech]) * 10 ** (rng.uniform(-6, 6) / 20)
        return torch.from_numpy(out)

    def loss(self, model: nn.Module, pairs: Tensor) -> Tensor:
        separated, speech = pairs[:, 0], pairs[:, 1]
        estimate = model(separated[:, None])[:, 0]
        spectrum, truth = (stft.stft(wave, GAIN_FFT) for wave in (separated, speech))
        answer = stft.stft(estimate, GAIN_FFT)
        shipped = gained(answer, spectrum)
        by_gain = log_error(*(power(x).sum((-1, -2)) for x in (shipped - truth, truth, spectrum)))
        by_wave = log_error(*(x.square().sum(-1) for x in (estimate - speech, speech, separated)))
        wanted = compressed(truth)
        scale = compressed(spectrum).mean() + 1e-2
        by_magnitude = (
            F.l1_loss(compressed(shipped), wanted) + F.l1_loss(compressed(answer), wanted)
        ) / scale
        return by_gain + 0.5 * by_wave + 2.0 * by_magnitude

    @torch.no_grad()
    def score(self, model: nn.Module) -> dict[str, float]:
        """Mean SI-SDR in dB before and after the gain that ships, and of the plain output.

        Crops with silent speech are left out.
        """
        before: list[float] = []
        after: list[float] = []
        plain: list[float] = []
        for separated, speech in self.held_out.to(next(model.parameters()).device):
            if speech.abs().max() > 0.01:
                estimate = model(separated[None, None])[:, 0]
                spectrum = stft.stft(separated[None], GAIN_FFT)
                shipped = stft.istft(
                    gained(stft.stft(estimate, GAIN_FFT), spectrum), separated.shape[-1]
                )
                for scores, wave in (
                    (before, separated[None]),
                    (after, shipped),
                    (plain, estimate),
                ):
                    scores.append(float(si_sdr(wave, speech[None])))
        return {
            name: float(np.mean(scores))
            for name, scores in zip(SCORES, (before, after, plain), strict=True)
        }
