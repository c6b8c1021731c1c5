"""What flows through a run: `Track` (one input), `Stems` (one separator's answer), `Separation`
(the state of cleaning).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from torch import Tensor

from speechclean.audio.sound_files import load
from speechclean.audio.waveform import Audio

#: Told of what a stage made of one item of a batch: its index, the stage, the waveform `[channels,
#: samples]`.
Watch = Callable[[int, str, Tensor], None]


@dataclass(frozen=True)
class Track:
    """One input of a run, as paths: nothing is read until it is asked for.

    `alias` names its outputs. `reference_path` is the clean speech, `transcript` the spoken words,
    where they are known; `cleaned_path` is what some tool already made of it, where only that is to
    be judged. `relative` is where it lies below the data set's folder, made safe and without its
    extension: `a/b/c`.
    """

    alias: str
    path: Path
    reference_path: Path | None = None
    transcript: str | None = None
    cleaned_path: Path | None = None
    relative: str | None = None

    @cached_property
    def reference(self) -> Audio | None:
        """The clean speech, read once and kept as long as this object lives. Raises `AudioError` if
        it cannot be read.
        """
        return None if self.reference_path is None else load(self.reference_path)


@dataclass(frozen=True)
class Stems:
    """One separator's answer for one mixture, at the separator's own sample rate.

    A rate below the mixture's tells how far up the separator heard: fusion never cuts the band
    above it.
    """

    speech: Audio
    music: Audio


@dataclass(frozen=True)
class Separation:
    """The mixture, the speech estimate and the soft mask that fusion gave.

    Shape: `mixture` and `speech` agree in rate, channels and samples; `mask` is `[channels, freqs,
    frames]` in 0..1 on the mixture's STFT (`spectral.stft`), 1 where the bin belongs to speech;
    later stages carry it along unchanged. `gain` is the linear factor by which loudness management
    scaled `speech`; it is taken out again before the residual is formed, so that the residual is
    what was removed and not the voice at another level.
    """

    mixture: Audio
    speech: Audio
    mask: Tensor
    gain: float = 1.0

    def __post_init__(self) -> None:
        if (
            self.mixture.waveform.shape != self.speech.waveform.shape
            or self.mixture.sample_rate != self.speech.sample_rate
        ):
            raise ValueError(
                f"speech {tuple(self.speech.waveform.shape)} at {self.speech.sample_rate} Hz does not match the mixture "
                f"{tuple(self.mixture.waveform.shape)} at {self.mixture.sample_rate} Hz"
            )

    @property
    def residual(self) -> Audio:
        """What was taken out: mixture - speech (at the level it had in the mixture)."""
        return self.mixture.with_waveform(self.mixture.waveform - self.speech.waveform / self.gain)

    def with_speech(self, waveform: Tensor) -> Separation:
        """Another speech estimate `[channels, samples]` for the same mixture and mask."""
        return replace(self, speech=self.mixture.with_waveform(waveform))

    def before(self) -> Separation:
        """The state before cleaning, the mixture standing in for the speech: what metrics of the
        mixture are taken on.
        """
        return replace(self, speech=self.mixture, gain=1.0)

    def cpu(self) -> Separation:
        """The same on the CPU, where metrics and files are made."""
        moved = (
            self.mixture.with_waveform(self.mixture.waveform.cpu()),
            self.speech.with_waveform(self.speech.waveform.cpu()),
        )
        return Separation(*moved, self.mask.cpu(), self.gain)
