"""Networks of the denoiser family, used as a gain: Défossez, Synnaeve & Adi, "Real Time Speech Enhancement in the Waveform
Domain" (Interspeech 2020).

The networks work at 16 kHz. Their output is not taken as it is, which would low-pass the voice and put the network's phases
into it, but as the gain |D| / |S| on the speech estimate's STFT; above 8 kHz it is the mean of the octave below.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import checkpoints
from ..audio import Audio, resample
from ..device import torch_device
from ..separation import Separation
from ..spectral import extend_mask, istft, stft, window_length
from ..weights import denoiser_file

#: Published checkpoints are bare states; their networks differ from the defaults of `denoiser.demucs.Demucs` only in width.
HIDDEN = {"dns48": 48, "dns64": 64, "master64": 64}
#: Context left and right of a chunk: with it, chunks agree with the whole file to 141 dB (FACTS of the causal LSTM).
CONTEXT_S = (1.0, 0.5)
CHUNK_S = 20.0
HEARD_HZ = 0.9 * 8000


@dataclass(frozen=True)
class Denoiser:
    """A denoiser whose gain is mixed in.

    model: `embedded_denoiser`, `dns48`, `dns64`, `master64`, or a file in denoiser's `--model_path` format
    wet: 0 leaves the speech as it is, 1 applies the whole gain (denoiser's own knob is dry = 1 - wet)
    window_s: STFT window of the gain in seconds; short, as a denoiser's gain follows the syllables
    """

    model: str
    wet: float = 0.5
    window_s: float = 0.032
    device: str = "auto"

    def __post_init__(self) -> None:
        if not 0 <= self.wet <= 1:
            raise ValueError(f"wet={self.wet} must be between 0 and 1")
        if not 0.005 <= self.window_s <= 1:
            raise ValueError(f"window_s={self.window_s} must be between 0.005 and 1 second")
        torch_device(self.device)

    def weight_files(self) -> dict[str, Path]:
        """The file that would be loaded; none with wet=0. Raises `MissingWeights`, before anything is loaded."""
        return {self.model: denoiser_file(self.model)} if self.wet else {}

    @torch.inference_mode()
    def __call__(self, separation: Separation) -> Separation:
        """The speech estimate, denoised; the same length, rate and channels."""
        speech = separation.speech
        if not self.wet or not speech.waveform.any():
            return separation
        n_fft = window_length(speech.sample_rate, self.window_s)
        spectrum = stft(speech.waveform, n_fft)
        denoised = stft(self._denoised(speech).waveform, n_fft)
        gain = (denoised.abs() / spectrum.abs().clamp(min=1e-8)).clamp(max=1)
        gain = extend_mask(gain, speech.sample_rate, HEARD_HZ)
        return separation.with_speech(istft(spectrum * (1 - self.wet + self.wet * gain), speech.samples))

    @cached_property
    def _network(self) -> Any:
        path = denoiser_file(self.model)
        package = checkpoints.read(path)
        if self.model in HIDDEN:
            from denoiser.demucs import Demucs

            package = {"klass": Demucs, "args": (), "kwargs": {"hidden": HIDDEN[self.model]}, "state": package}
        network: Any = checkpoints.build(package, path)
        return network.to(torch_device(self.device))

    def _denoised(self, speech: Audio) -> Audio:
        """The network's own output, back at the speech's rate and length."""
        network = self._network
        heard = resample(speech, network.sample_rate)
        waveform = heard.waveform.to(torch_device(self.device))[:, None]
        # The network would normalise each chunk by itself: do it for the whole file, as it was trained. Its own forward
        # multiplies by the deviation without the floor, which would turn quiet files down: undone here what was done.
        scale = network.floor + waveform.std(-1, keepdim=True) if network.normalize and heard.samples > 1 else 1.0
        denoised = scale * self._in_chunks(waveform / scale)
        return resample(heard.with_waveform(denoised[:, 0].to(speech.waveform.device)), speech.sample_rate, speech.samples)

    def _in_chunks(self, waveform: Tensor) -> Tensor:
        """The network over chunks with context. Shape: `[channels, 1, samples]`, unchanged."""
        network = self._network
        chunk, left, right = (int(seconds * network.sample_rate) for seconds in (CHUNK_S, *CONTEXT_S))
        pieces = []
        for start in range(0, waveform.shape[-1], chunk):
            first, end = max(0, start - left), min(start + chunk, waveform.shape[-1])
            heard = waveform[..., first : end + right]
            # Its own normalisation is off: the scale is taken care of, and a chunk's level must not matter.
            pieces.append(_forward(network, heard)[..., start - first : end - first])
        return torch.cat(pieces, -1)


def _forward(network: Any, waveform: Tensor) -> Tensor:
    network.normalize, normalize = False, network.normalize
    try:
        return network(waveform)
    finally:
        network.normalize = normalize
