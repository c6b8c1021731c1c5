"""A floor under the mask: some of the mixture stays in, so that what was cut by mistake is heard.

What costs recognition after a separation is less the music that is left than the voice that was
taken with it, and adding a little of the mixture back brings words back: "observation adding"
(Iwamoto et al., "How bad are artifacts? Analyzing the impact of speech enhancement errors on ASR",
Interspeech 2022, arXiv 2201.06685).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from speechclean.audio.stft import stft, window_length
from speechclean.stages.types import Separation

#: dB below `active_db` over which the floor fades from wholly there to gone.
KNEE_DB = 6.0


@dataclass(frozen=True)
class Floor:
    """speech + g (mixture - speech): what was taken out stays in by the gain g = 10^(floor_db/20).

    A mask m becomes m + g (1 - m), so that a bin is turned down by `floor_db` at most. It comes
    after every stage that cuts and before loudness.

    floor_db: the most that anything is turned down, in dB, at most 0; None for no floor
    adaptive: no floor in pauses, told by how much of the mixture the estimate has kept over time
    active_db: level of the estimate against the mixture from which on somebody speaks, in dB
    hold_s: the floor comes this long before that and goes this long after it, so that short pauses
        and weak ends of words are inside; each time it fades over as long again
    window_s: window over which the levels are taken, in seconds, rounded to a power of two of
        samples
    """

    floor_db: float | None = None
    adaptive: bool = False
    active_db: float = -8.0
    hold_s: float = 0.3
    window_s: float = 0.17

    def __post_init__(self) -> None:
        if self.floor_db is not None and not -120 <= self.floor_db <= 0:
            raise ValueError(
                f"floor_db={self.floor_db} must be between -120 and 0 dB, or null for no floor"
            )
        if not -60 <= self.active_db <= 0:
            raise ValueError(f"active_db={self.active_db} must be between -60 and 0 dB")
        if not 0 <= self.hold_s <= 5:
            raise ValueError(f"hold_s={self.hold_s} must be between 0 and 5 seconds")
        if not 0.005 <= self.window_s <= 1:
            raise ValueError(f"window_s={self.window_s} must be between 0.005 and 1 second")

    @property
    def context_s(self) -> float:
        """How far to either side of a sample it looks, beyond its window, in seconds."""
        return 2 * self.hold_s if self.adaptive else 0.0

    @torch.inference_mode()
    def __call__(self, separation: Separation) -> Separation:
        """The speech with the floor under it."""
        if self.floor_db is None:
            return separation
        gain: Tensor | float = 10 ** (self.floor_db / 20)
        if self.adaptive:
            gain = gain * self.presence(separation)
        back = separation.residual.waveform * separation.gain
        return separation.with_speech(separation.speech.waveform + gain * back)

    def presence(self, separation: Separation) -> Tensor:
        """How much of the floor there is, 1 around speech and 0 in pauses. Shape: `[samples]`.

        All channels have the same, so that nothing moves in the stereo image.
        """
        mixture, rate = separation.mixture, separation.mixture.sample_rate
        n_fft = window_length(rate, self.window_s)
        hop = n_fft // 4
        kept, whole = (
            stft(waveform, n_fft).abs().square().sum((0, 1))
            for waveform in (separation.speech.waveform / separation.gain, mixture.waveform)
        )
        level_db = 10 * torch.log10((kept / whole.clamp(min=1e-10)).clamp(min=1e-12))
        active = ((level_db - self.active_db) / KNEE_DB + 1).clamp(0, 1)
        hold = round(self.hold_s * rate / hop)
        held = functional.max_pool1d(active[None], 2 * hold + 1, 1, hold)
        # A fade as long as the hold, around the edges that the hold has made.
        fade = torch.hann_window(hold + 2 - hold % 2 + 1, periodic=False)[1:-1].to(held)
        side = len(fade) // 2
        smooth = functional.conv1d(
            functional.pad(held[None], (side, side + 1), mode="replicate"),
            (fade / fade.sum())[None, None],
        )
        # Frame k is centred on sample k * hop.
        frames = smooth.shape[-1]
        dense = functional.interpolate(
            smooth, (frames - 1) * hop + 1, mode="linear", align_corners=True
        )
        return dense[0, 0, : mixture.samples].clamp(0, 1)
