"""STFT and inverse STFT of the demucs family; window and overlap-add's envelope are made once.

A hybrid network pads so that its frames centre on multiples of the hop from hop / 2 on, and drops
the two outer frames on each side: what is left are the frames of the padded waveform without any
centring, so only those are computed. In the inverse the hop is a quarter of the window: overlap-add
is four shifted sums over whole blocks.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from demucs.hdemucs import pad1d
from torch import Tensor
from torch.nn import functional

#: Window length over hop, in all networks of the family.
OVERLAPS = 4


def tune_spectra(network: Any) -> None:
    """Give a network these transforms in place of its own.

    One that pads like the first MDX models (`hybrid_old`) keeps its own.
    """
    if getattr(network, "hybrid_old", False) or network.hop_length * OVERLAPS != network.nfft:
        return
    spectra = Spectra(network.nfft, getattr(network, "hybrid", True))
    # demucs has no public names for the two.
    network._spec = spectra.analyse  # noqa: SLF001
    network._ispec = spectra.synthesise  # noqa: SLF001


class Spectra:
    """Transforms of window `nfft`.

    `hybrid` networks pad by 3/2 hops, the others by half a window (centred frames).
    """

    def __init__(self, nfft: int, hybrid: bool) -> None:
        self.nfft, self.hop, self.hybrid = nfft, nfft // OVERLAPS, hybrid
        # Samples of padding before the waveform's first one.
        self.begin = 3 * self.hop // 2 if hybrid else nfft // 2
        self._windows: dict[torch.device, Tensor] = {}
        self._envelopes: dict[tuple[torch.device, int], Tensor] = {}

    def analyse(self, waveform: Tensor) -> Tensor:
        """The spectrum of a waveform, without its highest bin.

        Shape: `[..., samples]` -> complex `[..., nfft / 2, frames]`.
        """
        *batch, samples = waveform.shape
        if self.hybrid:
            padding = (self.begin, self.begin + -samples % self.hop)
            # demucs' own pads what is too short to be reflected, and then waits for a GPU to say
            # that the samples are still there.
            pad = functional.pad if samples > padding[1] else pad1d
            waveform = pad(waveform, padding, "reflect")
        flat = waveform.reshape(-1, waveform.shape[-1])
        window = self._window(waveform.device)
        spectrum = torch.stft(
            flat,
            self.nfft,
            self.hop,
            window=window,
            normalized=True,
            center=not self.hybrid,
            return_complex=True,
        )
        return spectrum[:, :-1].view(*batch, self.nfft // 2, spectrum.shape[-1])

    def synthesise(self, spectrum: Tensor, length: int) -> Tensor:
        """The waveform of a spectrum without its highest bin.

        Shape: complex `[..., nfft / 2, frames]` -> `[..., length]`.
        """
        # The lowest bin of a real wave is real; a network's need not be. A CPU ignores the rest of
        # it; on an H100 the answers of two random networks had a tone at half the rate instead, 54
        # and 64 dB below them, as an inverse FFT of half the length makes of it.
        torch.view_as_real(spectrum)[..., 0, :, 1] = 0
        frames = torch.fft.irfft(spectrum.transpose(-1, -2), n=self.nfft, norm="ortho")
        frames *= self._window(frames.device)
        summed = _overlap_add(frames)[..., self.begin : self.begin + length]
        return (
            summed
            / self._envelope(frames.device, frames.shape[-2])[self.begin : self.begin + length]
        )

    def _window(self, device: torch.device) -> Tensor:
        if device not in self._windows:
            self._windows[device] = torch.hann_window(self.nfft, device=device)
        return self._windows[device]

    def _envelope(self, device: torch.device, frames: int) -> Tensor:
        """The sum of the squared windows of all frames.

        In a hybrid network two frames of silence on each side count too.
        """
        key, known = (device, frames), self._envelopes
        if key not in known:
            outer = 2 if self.hybrid else 0
            squares = self._window(device).square().expand(frames + 2 * outer, -1)
            whole = _overlap_add(squares)
            known = {key: whole[outer * self.hop : math.ceil(whole.shape[-1] - outer * self.hop)]}
            self._envelopes = known  # replaced, never changed: other threads may be reading
        return known[key]


def _overlap_add(frames: Tensor) -> Tensor:
    """Shape: `[..., frames, window]` -> `[..., (frames + 3) * window / 4]`."""
    *batch, count, window = frames.shape
    blocks = frames.reshape(*batch, count, OVERLAPS, window // OVERLAPS)
    summed = frames.new_zeros(*batch, count + OVERLAPS - 1, window // OVERLAPS)
    for shift in range(OVERLAPS):
        summed[..., shift : shift + count, :] += blocks[..., shift, :]
    return summed.flatten(-2)
