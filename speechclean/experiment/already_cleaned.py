"""Files that another tool cleaned, as outcomes like a pipeline's, so that they can be judged."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from speechclean.audio.sound_files import load
from speechclean.audio.stft import stft, window_length
from speechclean.audio.waveform import Audio, AudioError, resample
from speechclean.stages.types import Separation, Track

from .clean import Outcome

log = logging.getLogger(__name__)
#: Lengths may differ by this much: a coder's delay or a frame that was padded. Beyond it the two
#: are not one recording.
TOLERANCE_S = 0.1


def read_pairs(tracks: Sequence[Track]) -> Iterator[Outcome]:
    """An outcome per track, from its mixture and its cleaned file.

    One whose files cannot be read, or do not fit one another, carries the reason.
    """
    for track in tracks:
        track = replace(track)  # its reference, once read, is freed with this copy
        try:
            assert track.cleaned_path is not None
            yield Outcome(track, paired(load(track.path), load(track.cleaned_path)))
        except (AudioError, OSError, MemoryError) as error:
            yield Outcome(
                track,
                reason=str(error)
                if str(track.cleaned_path) in str(error)
                else f"{track.path}: {error}",
            )


def paired(mixture: Audio, cleaned: Audio) -> Separation:
    """A separation from a mixture and what became of it.

    Raises `AudioError` if their lengths differ by more than 0.1 s.

    The cleaned sound is brought to the mixture's rate and length; if one of the two is mono, both
    are judged in mono. `gain` is the factor between the voice in the two, by least squares (the
    music, which is nothing like the voice, does not pull at it), held within +-20 dB. The mask is
    what share of the mixture's magnitude was left in each bin.
    """
    if abs(mixture.seconds - cleaned.seconds) > TOLERANCE_S:
        raise AudioError(
            f"the cleaned file lasts {cleaned.seconds:.3f} s and the mixture "
            f"{mixture.seconds:.3f} s; they must be aligned"
        )
    if mixture.channels != cleaned.channels:
        mixture, cleaned = mixture.mono(), cleaned.mono()
    speech = resample(cleaned, mixture.sample_rate, mixture.samples)
    both = (mixture.waveform.double() * speech.waveform.double()).sum()
    gain = (
        min(10.0, max(0.1, float(speech.waveform.double().square().sum() / both)))
        if both > 0
        else 1.0
    )
    n_fft = window_length(mixture.sample_rate, 0.085)
    left, whole = (stft(sound.waveform, n_fft).abs() for sound in (speech, mixture))
    return Separation(mixture, speech, (left / gain / whole.clamp(min=1e-8)).clamp(max=1), gain)
