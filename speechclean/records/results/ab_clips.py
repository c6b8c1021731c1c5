"""A/B clips, to compare by ear: the same seconds of mixture, cleaned and residual.

A fair comparison needs the *voice* at one level in both, or the louder one sounds better. The voice
in `cleaned` has the level it had in the mixture once the gain of loudness management is taken out;
matching the loudness of the whole files instead would raise the cleaned voice by as much as the
music weighed. Residual is what was removed, at its true level: where it is silent, nothing was
removed. So cleaned + residual = mixture in the clips too, up to the rounding of 16 bits.

One gain for all three brings the mixture's peak to -3 dBFS, less where another of the three would
pass -1 dBFS.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from speechclean.audio.sound_files import save
from speechclean.audio.waveform import Audio, resample
from speechclean.stages.types import Separation

#: Linear peaks: the mixture's, and the highest that any snippet may reach (its reconstruction
#: between samples is higher).
MIXTURE_PEAK, HIGHEST_PEAK = 10 ** (-3 / 20), 10 ** (-1 / 20)
HIGHEST_GAIN = 1e6
#: Length of the fades, without which a cut clicks.
FADE_S = 0.01
#: Nobody hears more than this rate holds, and neither flac nor every browser takes higher ones.
HIGHEST_RATE = 48000
#: What flac can hold.
MOST_CHANNELS = 8


def write_snippets(
    separation: Separation, alias: str, folder: Path, seconds: float = 8.0
) -> list[Path]:
    """Write `<alias>_{mixture,cleaned,residual}.flac` (16 bit) of the `seconds` with most music.

    A shorter file is written whole. More than 8 channels are mixed down to one, rates above 48 kHz
    brought down to that.
    """
    start, stop = most_music(separation.residual, seconds)
    mixture = separation.mixture.waveform[:, start:stop]
    cleaned = separation.speech.waveform[:, start:stop] / separation.gain
    sounds = {"mixture": mixture, "cleaned": cleaned, "residual": mixture - cleaned}
    snippets = {
        name: _for_ears(separation.mixture.with_waveform(waveform))
        for name, waveform in sounds.items()
    }
    gain = _common_gain(*(snippets[name].waveform for name in sounds))
    return [
        save(snippet.with_waveform(faded(snippet) * gain), folder / f"{alias}_{name}.flac")
        for name, snippet in snippets.items()
    ]


def most_music(residual: Audio, seconds: float) -> tuple[int, int]:
    """First and last sample (excluded) of the `seconds` with most of the residual's energy.

    Windows start at half seconds, so that runs which differ a little show the same stretch of a
    file.
    """
    length = min(residual.samples, max(1, round(seconds * residual.sample_rate)))
    hop = max(1, residual.sample_rate // 2)
    # Energy per half second first: hours of sound need no copy of themselves.
    blocks = [
        torch.linalg.vector_norm(block).square() for block in residual.waveform.split(hop, dim=-1)
    ]
    energy = torch.stack(blocks).double().cpu() if blocks else torch.zeros(1)
    windows = energy.unfold(0, min(len(energy), max(1, length // hop)), 1).sum(-1)
    start = min(int(windows.argmax()) * hop, residual.samples - length)
    return start, start + length


def _for_ears(audio: Audio) -> Audio:
    audio = audio.mono() if audio.channels > MOST_CHANNELS else audio
    return resample(audio, HIGHEST_RATE) if audio.sample_rate > HIGHEST_RATE else audio


def _common_gain(mixture: Tensor, cleaned: Tensor, residual: Tensor) -> float:
    """One linear gain for all three; 1 for silence, and no more than 120 dB for what is nearly."""
    peaks = [
        float(waveform.abs().max()) if waveform.numel() else 0.0
        for waveform in (mixture, cleaned, residual)
    ]
    limits = [MIXTURE_PEAK / peaks[0] if peaks[0] else 1.0] + [
        HIGHEST_PEAK / peak for peak in peaks[1:] if peak
    ]
    return min([*limits, HIGHEST_GAIN])


def faded(audio: Audio) -> Tensor:
    """The waveform with a raised-cosine fade at both ends."""
    length = min(round(FADE_S * audio.sample_rate), audio.samples // 2)
    if not length:
        return audio.waveform
    ramp = 0.5 - 0.5 * torch.cos(
        torch.pi * (torch.arange(length, device=audio.waveform.device) + 0.5) / length
    )
    gain = torch.ones(audio.samples, device=audio.waveform.device)
    gain[:length], gain[-length:] = ramp, ramp.flip(0)
    return audio.waveform * gain
