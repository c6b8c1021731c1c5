"""Spectrograms of a separation: mixture, cleaned, residual and the mask, on one time axis.

Drawn through matplotlib's Figure objects, never pyplot: nothing is kept between plots and no
display is asked for.
"""

from __future__ import annotations

import io
import math
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from speechclean.audio.stft import window_length
from speechclean.audio.waveform import Audio
from speechclean.stages.types import Separation
from speechclean.system.atomic_files import written_whole

from .colours import COLOURS

#: Rows and at most as many columns as a panel has pixels; more would be computed to be thrown away.
ROWS, COLUMNS = 200, 1000
#: What is shown below the loudest point of the mixture, in dB.
RANGE_DB = 75.0
WINDOW_S = 0.046
#: Mel's own 700 Hz would leave the voice's harmonics a third of the height at 48 kHz.
BEND_HZ = 400.0
TICKS_KHZ = (0.25, 0.5, 1, 2, 4, 8, 16, 32)


def write_spectrograms(separation: Separation, path: Path, title: str) -> Path:
    """Draw mixture, cleaned and residual in dB on one scale, and the mask, into a png.

    The voice is shown at the level that it had in the mixture; channels are shown as their mean
    power.
    """
    mixture = separation.mixture
    whole, voice = _spectra(mixture), _spectra(separation.speech) / separation.gain
    spectra = {"mixture": whole, "cleaned": voice, "residual: what was taken out": whole - voice}
    panels = {
        name: 10
        * torch.log10(_mel_rows(spectrum.abs().square().mean(0).T, mixture.sample_rate) + 1e-12)
        for name, spectrum in spectra.items()
    }
    mask = separation.mask[
        ..., _columns(separation.mask.shape[-1]).to(separation.mask.device)
    ].mean(0)
    _draw(panels, _mel_rows(mask, mixture.sample_rate), mixture, title, path)
    return path


def loudest_db(audio: Audio) -> float:
    """The level in dB of the brightest point of a sound's spectrogram."""
    return float(_levels(audio).max())


def spectrogram_png(audio: Audio, loudest: float) -> bytes:
    """A bare spectrogram as a png of 32 colours, without axes; its scale ends at `loudest` dB."""
    from matplotlib import colormaps
    from PIL import Image

    levels = ((_levels(audio) - loudest) / RANGE_DB + 1).clamp(0, 1).flip(0)
    steps = (levels * 31).round().byte().numpy()
    picture = Image.fromarray(steps, mode="P")
    picture.putpalette(
        [round(255 * part) for step in range(32) for part in colormaps["magma"](step / 31)[:3]]
    )
    memory = io.BytesIO()
    picture.save(memory, "PNG", compress_level=6)
    return memory.getvalue()


def _levels(audio: Audio) -> Tensor:
    """Levels in dB, `[ROWS, columns]`."""
    return 10 * torch.log10(
        _mel_rows(_spectra(audio).abs().square().mean(0).T, audio.sample_rate) + 1e-12
    )


def _spectra(audio: Audio) -> Tensor:
    """Spectra of windows spread evenly over the sound.

    Their number is bounded, so that an hour is drawn as fast as a minute.

    Shape: complex `[channels, columns, freqs]`; a full-scale sine reads 1/4 in power.
    """
    n_fft, device = window_length(audio.sample_rate, WINDOW_S), audio.waveform.device
    hop = n_fft // 8
    window = torch.hann_window(n_fft, device=device)
    centres = _columns(1 + audio.samples // hop).to(device) * hop
    places = centres[:, None] + torch.arange(-n_fft // 2, n_fft // 2, device=device)
    inside = (places >= 0) & (places < audio.samples)
    if not audio.samples:
        return torch.zeros(audio.channels, len(centres), n_fft // 2 + 1, dtype=torch.complex64)
    frames = audio.waveform[:, places.clamp(0, audio.samples - 1)] * inside
    return torch.fft.rfft(frames * window) / window.sum()


def _columns(frames: int) -> Tensor:
    """At most `COLUMNS` frame numbers, evenly spread."""
    return torch.linspace(0, max(frames - 1, 0), min(max(frames, 1), COLUMNS)).round().long()


def _mel_rows(bins: Tensor, sample_rate: int) -> Tensor:
    """Means of bins over overlapping triangles, evenly spaced in mel.

    Shape: `[freqs, frames]` -> `[ROWS, frames]`.
    """
    return _triangles(bins.shape[0], sample_rate) @ bins.detach().float().cpu()


@lru_cache(maxsize=4)
def _triangles(freqs: int, sample_rate: int) -> Tensor:
    """Weights of each bin in each row, `[ROWS, freqs]`, summing to 1."""
    width = sample_rate / 2 / max(freqs - 1, 1)
    centres = _hz(torch.linspace(_mel(0.0), _mel(sample_rate / 2), ROWS))
    # The lowest rows are narrower than a bin: they interpolate between two.
    spread = torch.gradient(centres)[0].clamp(min=width)
    distance = (torch.arange(freqs) * width - centres[:, None]).abs() / spread[:, None]
    weights = (1 - distance).clamp(min=0) + 1e-9
    return weights / weights.sum(-1, keepdim=True)


def _mel(hz: float) -> float:
    """Linear below `BEND_HZ`, logarithmic above."""
    return math.log1p(hz / BEND_HZ)


def _hz(mel: Tensor) -> Tensor:
    return BEND_HZ * torch.expm1(mel)


def _draw(panels: dict[str, Tensor], mask: Tensor, sound: Audio, title: str, path: Path) -> None:
    # Late: matplotlib takes half a second to import, and not every run draws.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(11, 9.2), dpi=100)
    canvas = FigureCanvasAgg(figure)
    extent = (0.0, max(sound.seconds, 1e-3), 0.0, 1.0)
    nyquist = sound.sample_rate / 2
    loudest = float(panels["mixture"].max())
    ticks = [khz for khz in TICKS_KHZ if khz * 1000 <= nyquist]
    shown = {**panels, "mask: 1 is speech": mask}
    height, below, gap = 0.203, 0.055, 0.027
    for index, (name, values) in enumerate(shown.items()):
        is_mask = values is mask
        bottom = below + (len(shown) - 1 - index) * (height + gap)
        axes = figure.add_axes((0.065, bottom, 0.855, height))
        image = axes.imshow(
            values.numpy(),
            origin="lower",
            aspect="auto",
            extent=extent,
            interpolation="nearest",
            cmap="viridis" if is_mask else "magma",
            vmin=0.0 if is_mask else loudest - RANGE_DB,
            vmax=1.0 if is_mask else loudest,
        )
        ink = COLOURS.get(name.partition(":")[0], "black")
        axes.set_title(name, loc="left", fontsize=10, pad=3, color=ink)
        axes.set_yticks(
            [_mel(1000 * khz) / _mel(nyquist) for khz in ticks],
            [f"{khz:g}" for khz in ticks],
            fontsize=8,
        )
        axes.set_ylabel("kHz", fontsize=9)
        axes.tick_params(axis="x", labelsize=8, labelbottom=index == len(shown) - 1)
        if index in (0, len(shown) - 1):  # one scale for the three sounds, one for the mask
            low = bottom if is_mask else below + height + gap
            bar = figure.colorbar(
                image, cax=figure.add_axes((0.935, low, 0.014, bottom + height - low))
            )
            bar.ax.tick_params(labelsize=8)
            bar.ax.set_title("" if is_mask else "dB", fontsize=9, pad=4)
    axes.set_xlabel("seconds", fontsize=9)
    channels = {1: "mono", 2: "stereo"}.get(sound.channels, f"{sound.channels} channels")
    heading = f"{title}   ({sound.seconds:.1f} s, {sound.sample_rate / 1000:g} kHz, {channels})"
    # A file's name is text: `$` in it is no formula.
    figure.text(0.065, 0.984, heading, fontsize=11, weight="bold", va="center", parse_math=False)
    with written_whole(path) as temporary, warnings.catch_warnings():
        # Matplotlib warns of letters that the font lacks; they are drawn as boxes.
        warnings.simplefilter("ignore", UserWarning)
        canvas.draw()
        # A palette of 256 colours: a third of the size and of the time of a full png.
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            temporary, compress_level=2
        )
