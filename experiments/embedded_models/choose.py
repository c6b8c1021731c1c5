r"""Compare fusion rules, weights, beta and wet on held-out voices and tracks.

The package's stages run on cached stems.

    python -m experiments.embedded_models.choose --banks /tmp/banks --count 64 \
        --out experiments/embedded_models/results

The separators run once; every choice is then measured on the same mixtures, paired. Writes and
prints `choices.md`. The data is the validation split of the training banks, never the dev set.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from experiments.embedded_models.activity import active, frame_energy
from experiments.embedded_models.data import SAMPLE_RATE
from experiments.embedded_models.evaluate import number, pipeline_of
from experiments.embedded_models.pools import make_pools
from experiments.embedded_models.tasks import open_banks
from experiments.embedded_models.validate import valid_set
from speechclean.audio.waveform import Audio
from speechclean.stages.enhancement.denoiser import Denoiser
from speechclean.stages.fusion.geometric_mask import GeometricMask
from speechclean.stages.fusion.max_mask import MaxMask
from speechclean.stages.fusion.mean_mask import MeanMask
from speechclean.stages.fusion.min_mask import MinMask
from speechclean.stages.metrics.si_sdr import si_sdr
from speechclean.stages.metrics.stoi import stoi
from speechclean.stages.postprocess.beta_wiener import BetaWiener
from speechclean.stages.types import Fusion, Stage, Stems

#: A rule, and the separators that it is given.
Choice = tuple[Fusion, tuple[str, ...]]
A, B = "embedded_htdemucs", "embedded_hdemucs_q"


def fusions() -> dict[str, Choice]:
    """Rules by name, each with its separators."""
    both = (A, B)
    rules: dict[str, Choice] = {
        "htdemucs alone": (MeanMask(), (A,)),
        "hdemucs_q alone": (MeanMask(), (B,)),
    }
    for share in (0.25, 0.5, 0.75):
        rules[f"mean, htdemucs {share:.2f}"] = (MeanMask(weights={A: share, B: 1 - share}), both)
    return rules | {
        "geometric": (GeometricMask(), both),
        "max": (MaxMask(), both),
        "min": (MinMask(), both),
    }


def in_pauses(cleaned: np.ndarray, mixture: np.ndarray, speech: np.ndarray) -> float:
    """Level of `cleaned` against `mixture` in dB where speech pauses.

    NaN with less than 0.3 s of pauses or no music.
    """
    pause = ~active(speech)
    before, after = (frame_energy(wave)[pause].sum() for wave in (mixture, cleaned))
    music = frame_energy(mixture - speech)[pause].sum()
    if pause.sum() < 15 or music < 0.5 * before:
        return float("nan")
    return float(10 * np.log10((after + 1e-9) / before))


def judge(
    sources: torch.Tensor,
    rule: Choice,
    stages: Sequence[Stage],
    stems: Sequence[Mapping[str, Stems]],
) -> np.ndarray:
    """SI-SDR in dB, STOI and level in speech pauses in dB, after the rule and the stages.

    Shape: `[mixtures, 3]`.
    """
    fusion, names = rule
    rows = []
    for (music, speech), answers in zip(sources, stems, strict=True):
        separation = fusion(
            Audio((music + speech)[None], SAMPLE_RATE), {name: answers[name] for name in names}
        )
        for stage in stages:
            separation = stage(separation)
        clean, cleaned = Audio(speech[None], SAMPLE_RATE), separation.speech
        left = in_pauses(cleaned.waveform[0].numpy(), (music + speech).numpy(), speech.numpy())
        rows.append(
            [number(si_sdr(cleaned.waveform, clean.waveform)), number(stoi(cleaned, clean)), left]
        )
    return np.array(rows)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--banks", type=Path, required=True)
    parser.add_argument(
        "--count",
        type=int,
        default=64,
        help="mixtures from -5 to 15 dB; an eighth more is speech alone",
    )
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    pipeline = pipeline_of(["enhancement=embedded_denoiser", "enhancement.wet=1"])
    sources = valid_set(
        make_pools(open_banks(args.banks), "valid", 1.0), args.count, 4 * SAMPLE_RATE
    )
    mixtures = [Audio(item.sum(0, keepdim=True), SAMPLE_RATE) for item in sources]
    answers = {name: separator(mixtures) for name, separator in pipeline.separators.items()}
    stems = [{name: answers[name][index] for name in answers} for index in range(len(mixtures))]
    speech = [item[1:] for item in sources]
    clean = [Audio(wave, SAMPLE_RATE) for wave in speech]
    before = np.array(
        [
            [number(si_sdr(m.waveform, s)), number(stoi(m, c))]
            for m, s, c in zip(mixtures, speech, clean, strict=True)
        ]
    )
    lines = [
        f"{args.count} held-out mixtures, -5 to 15 dB, STOI "
        f"{np.nanmean(before[: args.count, 1]):.3f}",
        "| choice | SI-SDR improvement, dB | against the first, dB | STOI | in pauses, dB | "
        "clean speech: SI-SDR, dB | STOI |",
        "|---|---|---|---|---|---|---|",
    ]
    first: np.ndarray | None = None

    def add(name: str, rule: Choice, stages: Sequence[Stage]) -> float:
        nonlocal first
        after = judge(sources, rule, stages, stems)
        gains = after[: args.count, 0] - before[: args.count, 0]
        first = gains if first is None else first
        paired = gains - first
        error = paired.std(ddof=1) / np.sqrt(args.count)
        alone = after[args.count :]
        row = [
            f"{gains.mean():+.2f}",
            f"{paired.mean():+.2f} ± {error:.2f}",
            f"{np.nanmean(after[: args.count, 1]):.3f}",
        ]
        row += [
            f"{np.nanmean(after[: args.count, 2]):+.1f}",
            f"{alone[:, 0].mean():.1f}",
            f"{np.nanmean(alone[:, 1]):.4f}",
        ]
        lines.append(f"| {name} | " + " | ".join(row) + " |")
        print(lines[-1], flush=True)
        return float(gains.mean())

    means = {name: add(name, rule, []) for name, rule in fusions().items()}
    best = max(means, key=means.__getitem__)
    rule = fusions()[best]
    for beta in (0.1, 0.25, 0.5, 1.0):
        add(f"{best}, beta {beta}", rule, [BetaWiener(beta=beta)])
    for wet in (0.25, 0.5, 1.0):
        add(
            f"{best}, wet {wet}",
            rule,
            [Denoiser(model="embedded_denoiser", wet=wet, device="cpu")],
        )
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "choices.md").write_text("\n".join([lines[0], "", *lines[1:]]) + "\n")


if __name__ == "__main__":
    main()
