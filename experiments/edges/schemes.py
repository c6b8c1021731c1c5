"""Ways to go on beyond the ends of a sound, and a separator that is given what they make."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from speechclean.audio.edges import skipped
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio, resample
from speechclean.stages.types import Separator, Stems

#: Of the networks that ship, in Hz.
RATE = 24000


def inside(waveform: Tensor, samples: int) -> Tensor:
    """Time-reversed, from 40 ms before the end: a fade-out is not reflected."""
    skip = skipped(RATE)
    return waveform[:, -samples - skip - 1 : -skip - 1].flip(-1)


def zeros(waveform: Tensor, samples: int) -> Tensor:
    """Silence: what separators do by themselves, but with room for a whole segment."""
    return waveform.new_zeros(waveform.shape[0], samples)


def reflected(waveform: Tensor, samples: int) -> Tensor:
    """Time-reversed, the last sample not repeated."""
    return waveform[:, -samples - 1 : -1].flip(-1)


def odd(waveform: Tensor, samples: int) -> Tensor:
    """Time-reversed and upside down, around the last sample: its slope goes on."""
    return 2 * waveform[:, -1:] - reflected(waveform, samples)


def faded(waveform: Tensor, samples: int) -> Tensor:
    """Time-reversed, and faded out to silence."""
    return reflected(waveform, samples) * torch.linspace(1, 0, samples)


def repeated(waveform: Tensor, samples: int) -> Tensor:
    """The same stretch once more, forwards."""
    return waveform[:, -samples:]


#: What follows a waveform `[channels, samples]` for so many samples.
Scheme = Callable[[Tensor, int], Tensor]
SCHEMES: tuple[Scheme, ...] = (zeros, reflected, odd, faded, repeated, inside)


@dataclass(frozen=True)
class Extended:
    """A separator that is given longer sounds than there are, and whose answers are cut."""

    separator: Separator
    scheme: Scheme
    seconds: float

    @property
    def sample_rate(self) -> int:
        return self.separator.sample_rate

    def stream(self, sound: LongAudio) -> Iterator[Tensor]:
        """No sound here is that long."""
        raise NotImplementedError

    def __call__(self, mixtures: Sequence[Audio]) -> list[Stems]:
        rate, extra = self.sample_rate, round(self.seconds * self.sample_rate)
        heard = [resample(mixture, rate) for mixture in mixtures]
        longer = [
            one.with_waveform(
                torch.cat(
                    [
                        self.scheme(one.waveform.flip(-1), extra).flip(-1),
                        one.waveform,
                        self.scheme(one.waveform, extra),
                    ],
                    -1,
                )
            )
            for one in heard
        ]
        inner = slice(extra, -extra)
        return [
            Stems(
                stems.speech.with_waveform(stems.speech.waveform[:, inner]),
                stems.music.with_waveform(stems.music.waveform[:, inner]),
            )
            for stems in self.separator(longer)
        ]
