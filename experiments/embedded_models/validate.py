r"""Scores on held-out voices and tracks, on the same crops every time.

They choose models and fusion weights.

    python -m experiments.embedded_models.validate --banks $W/banks --out results/held_out.md \
        embedded_hdemucs24 embedded_hdemucs36

writes those of separators that ship, alike for all.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from demucs.pretrained import get_model
from torch import Tensor

from experiments.embedded_models.data import SAMPLE_RATE, read_bank
from experiments.embedded_models.losses import istft, power, ratio_mask, si_sdr, stft
from experiments.embedded_models.mixing import Recipe, crop
from experiments.embedded_models.pools import Pool, make_pools
from experiments.embedded_models.shaping import SPEEDS
from speechclean.networks.weights import EMBEDDED
from speechclean.records.results.summary_page import markdown

VALID_SEED = 20_261_123


def valid_set(
    pools: dict[str, Pool], count: int, length: int, low_db: float = -5.0, high_db: float = 15.0
) -> Tensor:
    """Mixtures with evenly spread SNR, then speech alone: `[crops, 2, length]`.

    There are `count` mixtures and `count // 8` crops of speech.
    """
    plain: dict[str, Any] = {
        "speech_alone": 0.0,
        "music_alone": 0.0,
        "noise": 0.0,
        "room": 0.0,
        "fade": 0.0,
        "cut": 0.0,
        "lead": 0.0,
        "duck": 0.0,
    }
    even: dict[str, Any] = {
        "two_musics": 0.0,
        "narrow": 0.0,
        "speech_eq_db": 0.0,
        "music_eq_db": 0.0,
        "music_speeds": SPEEDS,
    }
    crops = []
    for index, snr in enumerate(np.linspace(low_db, high_db, count)):
        rng = np.random.default_rng((VALID_SEED, index))
        crops.append(
            crop(rng, pools, length, Recipe(snr_db=(float(snr), float(snr)), **plain, **even))
        )
    for index in range(count // 8):
        rng = np.random.default_rng((VALID_SEED, 1, index))
        crops.append(crop(rng, pools, length, Recipe(**{**plain, "speech_alone": 1.0}, **even)))
    return torch.from_numpy(np.stack([np.stack([c.music, c.speech]) for c in crops]))


def apply_mask(estimate: Tensor, mixture: Tensor) -> Tensor:
    """Speech by the ratio mask of an estimate, applied to the mixture.

    Shape: `estimate` is `[batch, 2, samples]`, `mixture` `[batch, samples]`.
    """
    guess = stft(estimate.flatten(0, 1)).unflatten(0, (-1, 2))
    return istft(ratio_mask(guess[:, 1], guess[:, 0]) * stft(mixture), mixture.shape[-1])


def share_cut(cleaned: Tensor, speech: Tensor) -> float:
    """Share of a voice's bins that are more than 10 dB down, by their energy in the voice's root.

    Shape: both `[1, samples]`.
    """
    said, left = power(stft(speech)), power(stft(cleaned))
    worth = said.sqrt()
    return float((worth * (left < 0.1 * said)).sum() / (worth.sum() + 1e-12))


@torch.no_grad()
def score(model: Callable[[Tensor], Tensor], sources: Tensor, mixtures: int) -> dict[str, float]:
    """Mean SI-SDR improvement in dB by mask and by plain estimate, and SI-SDR of clean speech.

    The improvement is given by thirds of the SNR, too; and `cut`, see `share_cut`.
    """
    by_mask, by_wave, cut = [], [], []
    for item in sources:
        mixture = item.sum(0, keepdim=True)
        estimate = model(mixture[:, None]).reshape(1, 2, -1)
        mixed = bool(item[0].abs().max() > 0)
        before = si_sdr(mixture, item[1:]) if mixed else 0.0
        cleaned = apply_mask(estimate, mixture)
        if mixed:
            cut.append(share_cut(cleaned, item[1:]))
        by_mask.append(float(si_sdr(cleaned, item[1:]) - before))
        by_wave.append(float(si_sdr(estimate[:, 1], item[1:]) - before))
    third = mixtures // 3
    return {
        "mask_db": float(np.mean(by_mask[:mixtures])),
        "wave_db": float(np.mean(by_wave[:mixtures])),
        "low_db": float(np.mean(by_mask[:third])),
        "mid_db": float(np.mean(by_mask[third : 2 * third])),
        "high_db": float(np.mean(by_mask[2 * third : mixtures])),
        "cut": float(np.mean(cut)),
        "clean_db": float(np.mean(by_mask[mixtures:])),
    }


def table(names: Sequence[str], banks: Path, count: int = 48) -> str:
    """Markdown: the scores of embedded separators on the banks' held-out voices and tracks."""
    kinds = {name: read_bank(banks, name) for name in ("speech", "music")}
    held_out = valid_set(make_pools(kinds, "valid", 1.0), count, 4 * SAMPLE_RATE)
    head = ("separator", "by mask, dB", "low SNR", "middle", "high", "cut, %", "clean speech, dB")
    body = []
    for name in names:
        (network,) = get_model(name, repo=EMBEDDED).models
        found = score(network.eval(), held_out, count)
        gains = [f"{found[f'{key}_db']:+.2f}" for key in ("mask", "low", "mid", "high")]
        body.append([name, *gains, f"{100 * found['cut']:.1f}", f"{found['clean_db']:.1f}"])
    return "\n".join(markdown(head, body)) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", help="embedded separators")
    parser.add_argument("--banks", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    args.out.write_text(table(args.names, args.banks))


if __name__ == "__main__":
    main()
