"""Word error rate by pocketsphinx: an offline probe for synthesised voices."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar

from speechclean.audio.waveform import Audio, resample
from speechclean.stages.types import Separation, Track

from .memo import Memo

_RATE = 16000
_memo: Memo[str] = Memo()


@dataclass(frozen=True)
class UsesPocketsphinx:
    """What metrics on words share: a recogniser.

    A subclass with another `hear` scores by another one.

    `max_active` bounds pocketsphinx's search: the number of HMM states followed per frame. Its own
    30000 and second pass take three times as long on clean speech and six times on music, and gain
    two words in a hundred on clean speech.
    """

    max_active: int = 1000

    def __post_init__(self) -> None:
        if self.max_active < 100:
            raise ValueError(
                f"max_active must be at least 100 for any word to survive, got {self.max_active}"
            )

    def hear(self, audio: Audio) -> str:
        """The words of a sound."""
        content = hashlib.sha256(
            audio.waveform.detach().cpu().contiguous().numpy().tobytes()
        ).digest()
        key = (content, audio.sample_rate, audio.channels, self.max_active)
        return _memo(key, lambda: recognise(audio, self.max_active))


@dataclass(frozen=True)
class Wer(UsesPocketsphinx):
    """Word error rate against `track.transcript`, by pocketsphinx.

    (substitutions + deletions + insertions) / words; may exceed 1.

    Recognised by pocketsphinx with the English model in its package, so it works anywhere; it
    understands the pilot's flite voices and little else, and is no judge of real speech. Both texts
    go through Whisper's English normaliser, as speech recognition is scored today (case,
    punctuation, "don't" = "do not", "twenty one" = "21", British spelling).

    Loudness has no say: the speech is brought to one peak level first.

    None without a transcript that holds words. Silence reads 1: nothing was recognised.
    """

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = False
    reads_mask: ClassVar[bool] = False
    needs: ClassVar[str] = "transcript"

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The error rate, 0 or more."""
        wanted = normalise(track.transcript or "")
        if not wanted:
            return None
        return word_error_rate(wanted, normalise(self.hear(separation.speech)))


def word_error_rate(wanted: str, heard: str) -> float:
    """Word error rate of two normalised texts, `wanted` not empty.

    >>> word_error_rate("the cat sat down", "the bat sat")
    0.5
    """
    import jiwer

    return float(jiwer.process_words(wanted, heard).wer)


def normalise(text: str) -> str:
    """The words of a text in Whisper's English normal form.

    Empty when it holds none (whitespace, "...", "[music]").

    >>> normalise("Don't pay Twenty-One pounds!") == normalise("do not pay 21 pounds")
    True
    """
    words = _normaliser()(text)
    return words if any(character.isalnum() for character in words) else ""


def recognise(audio: Audio, max_active: int = 1000) -> str:
    """What pocketsphinx hears in a sound of any rate and channel count; empty for silence."""
    import numpy as np

    waveform = resample(audio.mono(), _RATE).waveform[0].detach().cpu().numpy()
    peak = float(np.abs(waveform).max(initial=0))
    if not 0 < peak < np.inf:
        return ""
    decoder = _decoder(max_active)
    # Its features are normalised by a running mean that outlives the utterance: without this the
    # order of files counts.
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(
        (waveform / peak * 0.9 * 32767).round().astype("<i2").tobytes(),
        no_search=False,
        full_utt=True,
    )
    decoder.end_utt()
    found = decoder.hyp()
    return found.hypstr if found else ""


@functools.cache
def _decoder(max_active: int) -> Any:
    """Loading takes most of a second, so once per process.

    One pass, and means over the whole utterance (batch).
    """
    import pocketsphinx

    return pocketsphinx.Decoder(
        samprate=_RATE, cmn="batch", fwdflat=False, maxhmmpf=max_active, loglevel="FATAL"
    )


@functools.cache
def _normaliser() -> Any:
    from whisper.normalizers import EnglishTextNormalizer

    return EnglishTextNormalizer()
