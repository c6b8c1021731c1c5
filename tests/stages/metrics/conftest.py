"""Sounds and separations that the metric tests share."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import speechclean
from speechclean.audio import stft
from speechclean.audio.sound_files import load
from speechclean.audio.waveform import Audio
from speechclean.stages.types import Separation, Track

PILOT = Path(speechclean.__file__).parent / "assets" / "pilot"


@pytest.fixture
def track() -> Callable[..., Track]:
    """A track whose reference is in memory: nothing is read."""

    def make(reference: Audio | None = None, transcript: str | None = None) -> Track:
        made = Track("clip", Path("clip.wav"), transcript=transcript)
        made.__dict__["reference"] = reference  # where cached_property keeps it
        return made

    return make


@pytest.fixture
def separation() -> Callable[..., Separation]:
    """A separation of `speech` `[channels, samples]`; the mixture is the speech itself unless
    given, the mask all ones."""

    def make(
        speech: torch.Tensor,
        rate: int = 16000,
        mixture: torch.Tensor | None = None,
        mask: Any = None,
    ) -> Separation:
        mixture = speech if mixture is None else mixture
        mask = torch.ones_like(stft.stft(mixture, 512).real) if mask is None else mask
        return Separation(Audio(mixture, rate), Audio(speech, rate), mask)

    return make


@pytest.fixture
def noise() -> Callable[..., torch.Tensor]:
    """White noise `[channels, samples]` at about -20 dBFS, the same for the same seed."""

    def make(channels: int = 1, samples: int = 16000, seed: int = 0) -> torch.Tensor:
        return 0.1 * torch.randn(channels, samples, generator=torch.Generator().manual_seed(seed))

    return make


@pytest.fixture(scope="session")
def pilot() -> list[tuple[Separation, Track]]:
    """The shipped clips, each separated by the oracle ratio mask (from the reference and what is
    not the reference)."""
    if not (PILOT / "manifest.csv").is_file():
        pytest.skip("the pilot clips are not there")
    made = []
    with (PILOT / "manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            track = Track(
                row["alias"], PILOT / row["path"], PILOT / row["reference"], row["transcript"]
            )
            mixture, reference = load(track.path), track.reference
            assert reference is not None
            voice = reference.waveform.expand_as(mixture.waveform)
            n_fft = stft.window_length(mixture.sample_rate, 0.085)
            mask = stft.ratio_mask(
                stft.stft(voice, n_fft), stft.stft(mixture.waveform - voice, n_fft)
            )
            speech = mixture.with_waveform(stft.apply_mask(mixture.waveform, mask))
            made.append((Separation(mixture, speech, mask), track))
    return made
