"""What a network is trained to do: where its batches come from, its loss, its score on held-out voices and tracks."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.embedded_models.data import SAMPLE_RATE, Bank, read_bank
from experiments.embedded_models.losses import compressed, log_error, separator_loss, si_sdr, stft
from experiments.embedded_models.mixing import Recipe, batch, make_pools
from experiments.embedded_models.validate import score, valid_set


def open_banks(folder: Path) -> dict[str, Bank]:
    """Every bank in the folder that is complete."""
    return {path.stem: read_bank(folder, path.stem) for path in sorted(folder.glob("*.csv"))}


@dataclass
class SeparationTask:
    """Music and speech out of a mixture at 24 kHz; a batch is `[size, 2, samples]`, (music, speech)."""

    folder: Path
    crop_s: float = 3.0
    valid_count: int = 48
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        self.banks: dict[str, Bank] = {}
        self.refresh()
        held_out = make_pools(self.banks, "valid", 1.0)
        self.held_out = valid_set(held_out, self.valid_count, 4 * SAMPLE_RATE)

    def refresh(self) -> None:
        """Take up banks that were written since."""
        banks = open_banks(self.folder)
        if sorted(banks) != sorted(self.banks):
            self.banks, self.pools = banks, make_pools(banks, "train", self.recipe.real)
            print(f"banks {sorted(banks)}", flush=True)

    def batch(self, rng: np.random.Generator, size: int) -> Tensor:
        return torch.from_numpy(batch(rng, self.pools, size, int(self.crop_s * SAMPLE_RATE), self.recipe))

    def loss(self, model: nn.Module, sources: Tensor) -> Tensor:
        return separator_loss(model(sources.sum(1, keepdim=True)), sources)[0]

    def score(self, model: nn.Module) -> dict[str, float]:
        return score(model, self.held_out, self.valid_count)


@dataclass
class DenoisingTask:
    """Speech out of what the separators leave, at 16 kHz; a batch is `[size, 2, samples]`, (separated, speech).

    `folder` holds `pairs_train.npy` and `pairs_valid.npy`, int16 `[pairs, 2, samples]`, written by remains.py.
    """

    folder: Path
    crop_s: float = 3.0

    def __post_init__(self) -> None:
        self.refresh()
        self.held_out = torch.from_numpy(np.load(self.folder / "pairs_valid.npy").astype(np.float32) / 32768)

    def refresh(self) -> None:
        """Take up pairs that were written since."""
        self.pairs = np.load(self.folder / "pairs_train.npy", mmap_mode="r")

    def batch(self, rng: np.random.Generator, size: int) -> Tensor:
        length = min(int(self.crop_s * 16_000), self.pairs.shape[-1])
        out = np.zeros((size, 2, length), np.float32)
        for row in out:
            at = int(rng.integers(self.pairs.shape[-1] - length + 1))
            pair = self.pairs[int(rng.integers(len(self.pairs)))][:, at : at + length].astype(np.float32) / 32768
            separated, speech = pair
            if rng.random() < 0.3:  # as far out as a worse or better separator would leave it
                separated = speech + (separated - speech) * rng.uniform(0.0, 1.6)
            row[:] = np.stack([separated, speech]) * 10 ** (rng.uniform(-6, 6) / 20)
        return torch.from_numpy(out)

    def loss(self, model: nn.Module, pairs: Tensor) -> Tensor:
        separated, speech = pairs[:, 0], pairs[:, 1]
        estimate = model(separated[:, None])[:, 0]
        energies = (x.square().sum(-1) for x in (estimate - speech, speech, separated))
        total = log_error(*energies)
        for size in (512, 1536):
            guess, truth = stft(torch.cat([estimate, speech]), size, size // 3).unflatten(0, (2, -1))
            wanted = compressed(truth)
            total = total + F.l1_loss(compressed(guess), wanted) / (wanted.mean() + 1e-2)
        return total

    @torch.no_grad()
    def score(self, model: nn.Module) -> dict[str, float]:
        """Mean SI-SDR in dB before and after, over the held-out pairs whose speech is not silent."""
        before, after = [], []
        for separated, speech in self.held_out:
            if speech.abs().max() > 0.01:
                before.append(float(si_sdr(separated[None], speech[None])))
                after.append(float(si_sdr(model(separated[None, None])[:, 0], speech[None])))
        return {"before_db": float(np.mean(before)), "after_db": float(np.mean(after))}
