"""A network's output, not taken as it is but as the gain from what it was given."""

from __future__ import annotations

import torch

from speechclean.audio.stft import extend_mask, istft, stft, window_length
from speechclean.audio.waveform import Audio, resample
from speechclean.stages.types import Separation

#: Share of a network's Nyquist frequency that it really hears: resampling rolls off above it.
HEARD = 0.9


@torch.inference_mode()
def mixed_in(
    separation: Separation, answer: Audio, wet: float, window_s: float, heard_hz: float
) -> Separation:
    """The speech estimate under the gain min(1, |D| / |S|), mixed in with the weight `wet`.

    `answer` D is a network's for the estimate S, as long as that, at the network's own rate; it
    heard up to `heard_hz`, above which the gain is the mean of the octave below. Its phases and its
    low-pass stay out of the voice.
    """
    speech = separation.speech
    n_fft = window_length(speech.sample_rate, window_s)
    spectrum = stft(speech.waveform, n_fft)
    target = stft(
        resample(answer, speech.sample_rate, speech.samples).waveform.to(spectrum.device), n_fft
    )
    gain = (target.abs() / spectrum.abs().clamp(min=1e-8)).clamp(max=1)
    gain = extend_mask(gain, speech.sample_rate, heard_hz)
    return separation.with_speech(istft(spectrum * (1 - wet + wet * gain), speech.samples))


def check(wet: float, window_s: float) -> None:
    """Raise `ValueError` for a knob that no gain can have."""
    if not 0 <= wet <= 1:
        raise ValueError(f"wet={wet} must be between 0 and 1")
    if not 0.005 <= window_s <= 1:
        raise ValueError(f"window_s={window_s} must be between 0.005 and 1 second")
