"""Clips of the pilot at known states, and how much better an estimate of the voice is."""

from __future__ import annotations

from pathlib import Path

import torch

from speechclean.audio.sound_files import load
from speechclean.audio.waveform import Audio, resample
from speechclean.stages.types import Stems
from speechclean.system.resources import asset

#: A mono clip and a stereo one of the pilot.
MONO, STEREO = "seed_42_run1__text_batched_generated", "seed_7_run1__podcast_opening_take2"


def clip(name: str, seconds: float | None = None) -> Audio:
    """A mixture of the pilot."""
    return _read(asset("pilot", f"{name}.flac"), seconds)


def voice(name: str, seconds: float | None = None) -> Audio:
    """The clean speech of a mixture."""
    return _read(asset("pilot", f"{name}.reference.flac"), seconds)


def _read(path: Path, seconds: float | None) -> Audio:
    sound = load(path)
    if seconds is None:
        return sound
    return sound.with_waveform(sound.waveform[:, : round(seconds * sound.sample_rate)])


def gained_db(stems: Stems, mixture: Audio, reference: Audio) -> float:
    """By how much the speech's SI-SDR is above the mixture's, both against the clean speech."""
    speech = resample(stems.speech, mixture.sample_rate, mixture.samples)
    return _si_sdr(speech.waveform, reference.waveform) - _si_sdr(
        mixture.waveform, reference.waveform
    )


def agreement_db(one: torch.Tensor, other: torch.Tensor) -> float:
    """Power of a waveform over that of its difference to another, in dB."""
    difference = (one.double() - other.double()).square().sum()
    return float(10 * torch.log10(other.double().square().sum() / difference.clamp(min=1e-30)))


def _si_sdr(estimate: torch.Tensor, reference: torch.Tensor) -> float:
    one, other = (
        (sound - sound.mean()).flatten() for sound in (estimate.double(), reference.double())
    )
    target = (one @ other) / (other @ other) * other
    return float(10 * torch.log10(target.square().sum() / (one - target).square().sum()))
