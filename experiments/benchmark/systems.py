"""What is compared: each a function of a mixture, its reference and the separators' answers, to a
speech estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from speechclean.audio import stft
from speechclean.audio.waveform import Audio, resample
from speechclean.experiment.config.compose import composed
from speechclean.experiment.config.instantiate import instantiate_components
from speechclean.stages.fusion.geometric_mask import GeometricMask
from speechclean.stages.fusion.max_mask import MaxMask
from speechclean.stages.fusion.mean_mask import MeanMask
from speechclean.stages.fusion.median_mask import MedianMask
from speechclean.stages.fusion.min_mask import MinMask
from speechclean.stages.types import Fusion, Separation, Stems

Answers = Mapping[str, Stems]
System = Callable[[Audio, Audio, Answers], Separation]

RULES: dict[str, Fusion] = {
    "mean": MeanMask(),
    "max": MaxMask(),
    "median": MedianMask(),
    "min": MinMask(),
    "geometric": GeometricMask(),
}
#: Of two separators the median is the mean, so it is not listed twice.
SAME_OF_TWO = ("median",)


def stages(overrides: list[str]) -> dict[str, Any]:
    """The default pipeline's stages, by their keys."""
    cfg = composed(["tracking=none", *overrides], with_hydra=True)
    problems, made = instantiate_components(cfg)
    assert not problems, problems
    return made


def systems(names: list[str], made: dict[str, Any]) -> dict[str, System]:
    """Every system by its name; the last is the ceiling."""
    found: dict[str, System] = {
        "mixture": lambda mixture, _, __: Separation(mixture, mixture, _ones(mixture))
    }
    rules = {
        rule: fusion
        for rule, fusion in RULES.items()
        if not (rule in SAME_OF_TWO and len(names) == 2)
    }
    for rule, fusion in rules.items():
        found[f"pipeline, {rule}"] = _fused(fusion, made)
    for name in names:
        found[f"pipeline, {name} alone"] = _alone(name, made)
    for rule, fusion in rules.items():
        found[f"{rule} of masks only"] = _fused(fusion, {})
    for name in names:
        found[f"demucs, {name}"] = _plain(name)
    found["spectral gating"] = lambda mixture, _, __: gated(mixture)
    found["HPSS"] = lambda mixture, _, __: harmonic(mixture)
    found["oracle ratio mask"] = lambda mixture, reference, _: oracle(mixture, reference)
    return found


def _fused(fusion: Fusion, made: dict[str, Any]) -> System:
    def system(mixture: Audio, _: Audio, answers: Answers) -> Separation:
        fused = fusion(mixture, answers)
        return finish(fused, made) if made else fused

    return system


def _alone(name: str, made: dict[str, Any]) -> System:
    def system(mixture: Audio, _: Audio, answers: Answers) -> Separation:
        return finish(RULES["mean"](mixture, {name: answers[name]}), made)

    return system


def _plain(name: str) -> System:
    def system(mixture: Audio, _: Audio, answers: Answers) -> Separation:
        return plain(mixture, answers[name])

    return system


def finish(separation: Separation, made: dict[str, Any]) -> Separation:
    """What follows fusion: denoiser, β-Wiener, loudness."""
    separation = made["enhancement"](separation)
    for key, stage in made.items():
        if key.startswith("postprocess."):
            separation = stage(separation)
    return separation


def plain(mixture: Audio, stems: Stems) -> Separation:
    """The network's own waveform, as the `demucs` command would write it."""
    speech = resample(stems.speech, mixture.sample_rate, mixture.samples)
    return Separation(mixture, speech, _ones(mixture))


def gated(mixture: Audio, quantile: float = 0.2, over_db: float = 6.0) -> Separation:
    """Spectral gating: per frequency a floor from the quiet frames, a soft step 6 dB above it
    (stationary noise reduction).
    """
    n_fft = stft.window_length(mixture.sample_rate, 0.064)
    power = stft.stft(mixture.waveform, n_fft).abs().square()
    floor = power.quantile(quantile, -1, keepdim=True) * 10 ** (over_db / 10)
    mask = power.square() / (power.square() + floor.square() + 1e-20)
    return Separation(mixture, mixture.with_waveform(stft.apply_mask(mixture.waveform, mask)), mask)


def harmonic(mixture: Audio) -> Separation:
    """Harmonic part of harmonic-percussive separation (Fitzgerald, "Harmonic/percussive separation
    using median filtering", DAFx 2010), by librosa.
    """
    import librosa

    waveform = np.stack([librosa.effects.harmonic(row) for row in mixture.waveform.numpy()])
    return Separation(
        mixture, mixture.with_waveform(torch.from_numpy(waveform).float()), _ones(mixture)
    )


def oracle(mixture: Audio, reference: Audio) -> Separation:
    """The ratio mask of the true voice and the true music: what a perfect model could do with this
    kind of mask.
    """
    n_fft = stft.window_length(mixture.sample_rate, 0.085)
    voice, music = (
        stft.stft(w, n_fft) for w in (reference.waveform, mixture.waveform - reference.waveform)
    )
    mask = stft.ratio_mask(voice, music)
    return Separation(mixture, mixture.with_waveform(stft.apply_mask(mixture.waveform, mask)), mask)


def _ones(mixture: Audio) -> torch.Tensor:
    return torch.ones_like(
        stft.stft(mixture.waveform, stft.window_length(mixture.sample_rate, 0.085)).real
    )
