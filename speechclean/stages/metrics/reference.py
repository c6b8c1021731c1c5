"""The clean speech, brought to the rate, length and channels of what is judged.

Shared by the metrics that compare.
"""

from __future__ import annotations

from speechclean.audio.waveform import Audio, AudioError, resample
from speechclean.stages.types import Separation, Track

#: Lengths may differ by this much (a resampler's or an editor's rounding); beyond it the two are
#: not aligned.
TOLERANCE_S = 0.005

#: Root mean square below which a sound counts as silence: under the last bit of 24-bit audio (about
#: -140 dBFS).
SILENCE_RMS = 1e-7


def aligned_reference(separation: Separation, track: Track) -> Audio | None:
    """`track.reference` in the shape of `separation.speech`.

    None when there is none or it is silent.

    A mono reference stands for every channel; a reference with more channels is averaged for a mono
    estimate. Raises `AudioError` when lengths differ by more than 5 ms, or channels in any other
    way.
    """
    reference, speech = track.reference, separation.speech
    if reference is None or not reference.samples or not speech.samples:
        return None
    if abs(reference.seconds - speech.seconds) > TOLERANCE_S:
        raise AudioError(
            f"{track.alias}: the reference lasts {reference.seconds:.3f} s "
            f"and the mixture {speech.seconds:.3f} s; "
            "cut both from the same start to the same length"
        )
    if speech.channels == 1:
        reference = reference.mono()
    if reference.channels not in (1, speech.channels):
        raise AudioError(
            f"{track.alias}: the reference has {reference.channels} channels "
            f"and the mixture {speech.channels}; "
            "give a mono reference or one with the mixture's channels"
        )
    reference = resample(reference, speech.sample_rate, speech.samples)
    if is_silent(reference):
        return None
    return reference.with_waveform(
        reference.waveform.to(speech.waveform.device).expand_as(speech.waveform)
    )


def in_mono(reference: Audio, speech: Audio) -> tuple[Audio, Audio]:
    """An aligned reference and the speech that is judged by it, both mixed down in one way.

    Where the reference's channels cancel one another, both are that one's loudest channel; where
    they are all the same, what the speech needs is right for both.
    """
    channel = reference.loudest_if_cancelling()
    if channel is None and bool((reference.waveform == reference.waveform[:1]).all()):
        channel = speech.loudest_if_cancelling()
    return reference.channel(channel), speech.channel(channel)


def is_silent(audio: Audio) -> bool:
    """Whether nothing but a constant is there, to the last bit of 24-bit audio."""
    centred = audio.waveform.double() - audio.waveform.double().mean(-1, keepdim=True)
    return not audio.samples or float(centred.square().mean().sqrt()) < SILENCE_RMS
