r"""Pairs that the denoiser is trained on.

What the separators leave of a mixture, beside the clean speech.

    python -m experiments.embedded_models.remains --banks /tmp/banks \
        --checkpoints a/last.pt b/last.pt --out /tmp/remains

Writes `pairs_train.npy` and `pairs_valid.npy`, int16 `[pairs, 2, samples]` at 16 kHz, (separated,
speech).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soxr
import torch

from experiments.embedded_models.data import SAMPLE_RATE
from experiments.embedded_models.export import load
from experiments.embedded_models.losses import istft, ratio_mask, stft
from experiments.embedded_models.mixing import Recipe, crop
from experiments.embedded_models.pools import make_pools
from experiments.embedded_models.tasks import open_banks
from speechclean.system import allocator


@torch.no_grad()
def separate(models: Sequence[torch.nn.Module], mixture: torch.Tensor) -> torch.Tensor:
    """Speech by the mean of the models' ratio masks: `[samples]` to `[samples]`."""
    masks = []
    for model in models:
        guess = stft(model(mixture[None, None]).reshape(2, -1))
        masks.append(ratio_mask(guess[1], guess[0]))
    mask = torch.stack(masks).mean(0)
    return istft(mask[None] * stft(mixture[None]), len(mixture))[0]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--banks", type=Path, required=True)
    parser.add_argument("--checkpoints", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--train", type=int, default=500, help="pairs of 4 s to train on")
    parser.add_argument("--valid", type=int, default=40)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args(argv)
    allocator.keep_freed_memory()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    banks, models = open_banks(args.banks), [load(path)[0] for path in args.checkpoints]
    for split, count in (("valid", args.valid), ("train", args.train)):
        pools = make_pools(banks, split, 0.8 if split == "train" else 1.0)
        pairs = np.zeros((count, 2, 4 * 16_000), np.int16)
        for index in range(count):
            rng = np.random.default_rng((args.seed, split == "train", index))
            one = crop(rng, pools, 4 * SAMPLE_RATE, Recipe(snr_db=(-5.0, 15.0), noise=0.2))
            separated = separate(models, torch.from_numpy(one.speech + one.music)).numpy()
            both = np.stack([separated, one.speech], axis=1)
            down = soxr.resample(both * (0.5 / (np.abs(both).max() + 1e-9)), SAMPLE_RATE, 16_000)
            pairs[index] = np.round(down.T * 32767).clip(-32767, 32767)
        np.save(args.out / f"pairs_{split}.npy", pairs)
        print(f"{split}: {count} pairs")


if __name__ == "__main__":
    main()
