"""What becomes of a sound too long for memory: a separation whose sounds lie on the disk."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from speechclean.audio.loudness import LoudnessMeter, TruePeakMeter
from speechclean.audio.stft import stft, window_length
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio

from .types import Separation

#: Windows of this length are compared to find where most was taken out.
ENERGY_STEP_S = 0.5
#: What `Meters` measure.
LEVELS = ("lufs", "true_peak_dbtp")


@dataclass(frozen=True)
class LongSeparation:
    """A mixture on the disk, the finished speech before its gain, and what was measured on the way.

    `gain` is linear. `levels` are LUFS and dBTP of the mixture and of the speech with its gain,
    None for silence. `energies` of the residual, one per half second.
    """

    mixture: LongAudio
    speech: LongAudio
    gain: float
    levels: dict[str, float | None]
    energies: Tensor

    def cleaned(self) -> Iterator[Tensor]:
        """The finished speech, chunk by chunk `[channels, samples]`."""
        return (chunk * self.gain for chunk in self.speech.chunks())

    def excerpt(self, seconds: float) -> Separation:
        """The stretch of about `seconds` from which most was taken.

        Its mask is what the whole pipeline came to.
        """
        rate, step = (
            self.mixture.sample_rate,
            max(1, round(ENERGY_STEP_S * self.mixture.sample_rate)),
        )
        windows = self.energies.unfold(
            0, min(len(self.energies), max(1, round(seconds / ENERGY_STEP_S))), 1
        ).sum(-1)
        start = int(windows.argmax()) * step
        stretch = (start, min(start + round(seconds * rate), self.mixture.samples))
        mixture, speech = (
            Audio(sound.read(*stretch), rate) for sound in (self.mixture, self.speech)
        )
        spectra = [
            stft(sound.waveform, window_length(rate, 0.085)).abs() for sound in (speech, mixture)
        ]
        mask = (spectra[0] / spectra[1].clamp(min=1e-8)).clamp(max=1)
        return Separation(
            mixture, mixture.with_waveform(speech.waveform * self.gain), mask, self.gain
        )


def untouched_long(mixture: LongAudio) -> LongSeparation:
    """A mixture that passes through: its speech is itself."""
    meter = Meters(mixture)
    for chunk in mixture.chunks():
        meter.feed(chunk)
    levels = dict(zip(LEVELS, meter.levels(), strict=True))
    both = {
        f"{name}_{state}": level
        for name, level in levels.items()
        for state in ("mixture", "cleaned")
    }
    steps = max(1, math.ceil(mixture.samples / mixture.sample_rate / ENERGY_STEP_S))
    return LongSeparation(mixture, mixture, 1.0, both, torch.zeros(steps, dtype=torch.float64))


class Meters:
    """Loudness and true peak of a stream."""

    def __init__(self, sound: LongAudio) -> None:
        self._loudness = LoudnessMeter(sound.sample_rate, sound.channels)
        self._peak = TruePeakMeter(sound.sample_rate, sound.channels)

    def feed(self, waveform: Tensor) -> None:
        """Take in the next stretch `[channels, samples]`."""
        self._loudness.feed(waveform)
        self._peak.feed(waveform)

    def levels(self) -> tuple[float | None, float | None]:
        """LUFS and dBTP of all that was fed, which ends here; None for silence."""
        return self._loudness.lufs(), self._peak.dbtp()
