"""Screening: is there any music in a file.

Files in which none is found pass through untouched, and cost no heavy model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import torch

from speechclean.audio.stft import ratio_mask, stft
from speechclean.audio.waveform import Audio, resample
from speechclean.stages.separators.demucs import DemucsSeparator

from .types import Separation

#: Music much shorter than this is nothing that anybody would screen for; longer sounds are heard
#: stretch by stretch.
STRETCH_S = 10.0


class Screening(Protocol):
    """Says whether a mixture holds music."""

    def finds_music(self, mixture: Audio) -> bool:
        """Whether there is music in a mixture."""


@dataclass(frozen=True)
class NoScreening:
    """Every file is cleaned."""

    def finds_music(self, mixture: Audio) -> bool:  # noqa: ARG002
        """Taken for granted."""
        return True


@dataclass(frozen=True)
class MusicFound:
    """The embedded models listen first.

    threshold_db: energy that their mask gives to music over what it gives to speech, in dB, from
        which music is there; `experiments/screening` calibrates it
    separators: the embedded models that listen; the mean of their masks counts
    """

    threshold_db: float
    separators: list[str]
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        if not math.isfinite(self.threshold_db):
            raise ValueError(f"threshold_db={self.threshold_db} must be a number of dB")
        if not self.separators:
            raise ValueError(
                "separators=[] leaves nobody to listen; name one, e.g. [embedded_htdemucs]"
            )

    def weight_files(self) -> dict[str, Path]:
        """The files that would be loaded, by signature."""
        return {key: path for model in self._models for key, path in model.weight_files().items()}

    def finds_music(self, mixture: Audio) -> bool:
        """Whether some stretch of the sound holds music, as far as the models can tell.

        Silence holds none.
        """
        return self.music_db(mixture) >= self.threshold_db

    @torch.inference_mode()
    def music_db(self, mixture: Audio) -> float:
        """Music over speech in dB, in the stretch of 10 s that has most of it; -inf for silence.

        Stretches overlap by half.
        The median over the frames of what the mask gives to music, over the mean that it gives to
        the voice in those frames where somebody speaks (within 40 dB of the loudest). The median,
        since music goes on and a misheard consonant does not.
        """
        mono = mixture.mono()
        music, speech = self._powers(mono)
        if not len(music) or not bool(music.any() | speech.any()):
            return -math.inf
        voice = speech[speech >= speech.max() * 1e-4].mean()
        seconds = mono.seconds / len(music)
        length = min(len(music), max(1, round(STRETCH_S / seconds)))
        stretches = music.unfold(0, length, max(1, length // 2))
        loudest = float(stretches.median(-1).values.max())
        return 10 * math.log10(max(loudest, 1e-30)) - 10 * math.log10(max(float(voice), 1e-30))

    def _powers(self, mono: Audio) -> tuple[torch.Tensor, torch.Tensor]:
        """Power that the mean mask gives to music and to speech, per frame."""
        masks, n_fft = [], 2048
        for model in self._models:
            stems = model([mono])[0]
            speech, music = (stft(stem.waveform, n_fft) for stem in (stems.speech, stems.music))
            masks.append(ratio_mask(speech, music, 1e-10 * n_fft))
        heard = resample(mono, stems.speech.sample_rate, stems.speech.samples)
        power = stft(heard.waveform, n_fft).abs().double().square()
        mask = torch.stack(masks).mean(0)
        return ((1 - mask) * power).sum((0, 1)), (mask * power).sum((0, 1))

    @cached_property
    def _models(self) -> list[DemucsSeparator]:
        embedded = {
            "repo": "embedded",
            "shifts": 0,
            "accompaniment": "stems",
            "seed": self.seed,
            "device": self.device,
        }
        return [DemucsSeparator(name, **embedded) for name in self.separators]  # type: ignore[arg-type]


def untouched(mixture: Audio) -> Separation:
    """A separation that takes nothing out."""
    return Separation(mixture, mixture, torch.ones_like(stft(mixture.waveform, 2048).real))
