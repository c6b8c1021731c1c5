"""Sound in memory: `Audio`, which flows between stages, and how it is resampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr
import torch
from torch import Tensor


class AudioError(ValueError):
    """A sound file or waveform that cannot be used; the message says which, why and what to do."""


@dataclass(frozen=True)
class Audio:
    """A waveform with its sample rate.

    Shape: `waveform` is float32 `[channels, samples]`; `sample_rate` is in Hz.
    """

    waveform: Tensor
    sample_rate: int

    def __post_init__(self) -> None:
        shape = tuple(self.waveform.shape)
        if self.waveform.ndim != 2:
            raise AudioError(
                f"waveform must be [channels, samples], got {shape}; for mono use waveform[None]"
            )
        if self.waveform.dtype != torch.float32:
            raise AudioError(
                f"waveform must be float32, got {self.waveform.dtype}; use waveform.float()"
            )
        if shape[0] > 64 and shape[1] <= 64:
            raise AudioError(f"waveform {shape} looks like [samples, channels]; use waveform.T")
        if self.sample_rate <= 0:
            raise AudioError(f"sample_rate must be positive, got {self.sample_rate}")

    @property
    def channels(self) -> int:
        """How many there are."""
        return int(self.waveform.shape[0])

    @property
    def samples(self) -> int:
        """How many each channel has."""
        return int(self.waveform.shape[1])

    @property
    def seconds(self) -> float:
        """The duration."""
        return self.samples / self.sample_rate

    def with_waveform(self, waveform: Tensor) -> Audio:
        """The same rate, another waveform `[channels, samples]`."""
        return Audio(waveform, self.sample_rate)

    def mono(self) -> Audio:
        """The mean of the channels, or the loudest where the mean cancels: `[1, samples]`."""
        return self.channel(self.loudest_if_cancelling())

    def channel(self, index: int | None) -> Audio:
        """One channel, or the mean of all: `[1, samples]`."""
        if self.channels == 1:
            return self
        if index is None:
            return self.with_waveform(self.waveform.mean(0, keepdim=True))
        return self.with_waveform(self.waveform[index : index + 1])

    def loudest_if_cancelling(self) -> int | None:
        """The loudest channel where channels cancel one another, as in antiphase stereo, else None.

        They do where their mean has less than two thirds of the power that it has of channels that
        know nothing of each other: of stereo, where the side has twice the power of the mid.
        """
        if self.channels == 1 or not self.samples:
            return None
        power = self.waveform.double().square().mean(-1)
        mean = self.waveform.double().mean(0).square().mean()
        return int(power.argmax()) if 3 * self.channels * mean < 2 * power.mean() else None


def resample(audio: Audio, sample_rate: int, samples: int | None = None) -> Audio:
    """Resample with soxr (very high quality).

    With `samples`, the result is cut or zero-padded to that many.

    >>> resample(Audio(torch.zeros(1, 48000), 48000), 16000).samples
    16000
    """
    waveform = audio.waveform
    if sample_rate != audio.sample_rate:
        source = waveform.T.cpu().numpy()
        target = soxr.resample(source, audio.sample_rate, sample_rate, quality="VHQ")
        waveform = torch.from_numpy(np.ascontiguousarray(target.T)).to(waveform.device)
    if samples is not None and waveform.shape[-1] != samples:
        waveform = torch.nn.functional.pad(waveform, (0, samples - waveform.shape[-1]))
    return Audio(waveform, sample_rate)
