"""No burst of music where a file begins or ends.

At the ends a network hears on one side only what it is given there (`audio.edges`), and now and
then it takes the music's last hundredth of a second for the beginning of a word. What it kept there
is held against what it kept beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from speechclean.stages.types import Separation

#: The gain is found for stretches of this many seconds, and goes from one to the next in a line.
STEP_S = 0.02


@dataclass(frozen=True)
class Edges:
    """Turns down the first and last moments where more of the mixture is left than beside them.

    Of the mixture's power, `rise_db` more may be left in each 20 ms of an end than in the half
    second beside it. A voice that goes on beside the end is left as it is; one that is heard in the
    end alone is shorter than any word.

    edge_s: length of an end in seconds; shorter than any word
    beside_s: length of what it is held against
    rise_db: how much more may be left, in dB; None: this stage does nothing
    """

    rise_db: float | None = None
    edge_s: float = 0.12
    beside_s: float = 0.5

    def __post_init__(self) -> None:
        if self.rise_db is not None and not 0 <= self.rise_db <= 60:
            raise ValueError(
                f"rise_db={self.rise_db} must be between 0 and 60 dB, or null: ends as they are"
            )
        if not STEP_S <= self.edge_s <= 0.5:
            raise ValueError(f"edge_s={self.edge_s} must be between {STEP_S} and 0.5 seconds")
        if not STEP_S <= self.beside_s <= 5:
            raise ValueError(f"beside_s={self.beside_s} must be between {STEP_S} and 5 seconds")

    @property
    def context_s(self) -> float:
        """How far from an end it looks, in seconds."""
        return self.edge_s + self.beside_s

    @torch.inference_mode()
    def __call__(self, separation: Separation) -> Separation:
        """The speech with its ends turned down, all channels alike; untouched where none bursts."""
        rate, waveform = separation.mixture.sample_rate, separation.speech.waveform
        if self.rise_db is None or waveform.shape[-1] < round(self.context_s * rate):
            return separation
        for goes_on, turn in zip(separation.goes_on, (False, True), strict=True):
            if goes_on:
                continue
            gain = self._gain(
                _turned(waveform, turn), _turned(separation.mixture.waveform, turn), rate
            )
            if gain is not None:
                waveform = waveform * _turned(gain, turn)
        return (
            separation
            if waveform is separation.speech.waveform
            else separation.with_speech(waveform)
        )

    def _gain(self, speech: Tensor, mixture: Tensor, rate: int) -> Tensor | None:
        """The gain `[samples]` of a sound that begins with the end; None if it is 1 all over."""
        assert self.rise_db is not None
        step = max(1, round(STEP_S * rate))
        count = math.ceil(self.edge_s * rate / step)
        stop = round(self.context_s * rate)
        ends = [
            waveform[:, : count * step].double().square().sum(0).view(count, step).sum(-1)
            for waveform in (speech, mixture)
        ]
        kept, whole = (
            waveform[:, count * step : stop].double().square().sum()
            for waveform in (speech, mixture)
        )
        most = ends[1] * 10 ** (self.rise_db / 10) * kept / whole.clamp(min=1e-20)
        # Without a mixture there is nothing to turn down.
        steps = torch.where(ends[0] > most, (most / ends[0].clamp(min=1e-20)).sqrt(), 1.0)
        if bool((steps == 1).all()):
            return None
        # A line from the middle of a step to that of the next; each is as low as its neighbours, so
        # that all of a burst lies under its own gain. The first step's holds from the very end on.
        padded = functional.pad(steps[None, None], (1, 3), value=1.0)
        lowest = -functional.max_pool1d(-padded, 3, 1)[0, 0]
        at = torch.arange((count + 1) * step, device=speech.device).double() / step - 0.5
        low = at.clamp(min=0).long()
        line = torch.lerp(lowest[low], lowest[low + 1], (at - low).clamp(min=0))
        gain = torch.ones(speech.shape[-1], device=speech.device)
        gain[: len(line)] = line[: len(gain)]
        return gain


def _turned(waveform: Tensor, turn: bool) -> Tensor:
    return waveform.flip(-1) if turn else waveform
