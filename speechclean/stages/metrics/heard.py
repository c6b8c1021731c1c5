"""What metrics on words share: one recogniser, that hears each sound once for all of them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from speechclean.audio.waveform import Audio
from speechclean.stages.types import Separation, Track

from .alignment import Alignment, align, normalise
from .memo import Memo
from .recogniser import MODELS, Recogniser, whisper_device

_texts: Memo[str] = Memo(one_at_a_time=False)


@dataclass(frozen=True)
class HearsWords:
    """Words by Whisper (`recogniser`), compared in Whisper's normal form (`alignment`).

    model: `base`, or `tiny.en`: a third of the time, and English only
    language: of all files, as Whisper names it; None: the track's own, where it is not known the
        one that Whisper hears in the mixture
    device: `auto` is a GPU where there is one
    cpu_threads: threads that share the work on one window of 30 s; files side by side make better
        use of cores
    num_workers: windows that are heard at once; None: as many as there are files at work
    """

    model: str = "base"
    language: str | None = None
    device: str = "auto"
    cpu_threads: int = 1
    num_workers: int | None = None

    needs_packages: ClassVar[tuple[str, ...]] = ("ctranslate2", "faster_whisper", "whisper")

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ValueError(f"model={self.model!r} must be one of {', '.join(MODELS)}")
        if self.language is not None and not self.language.isalpha():
            raise ValueError(f"language={self.language!r} must be a code such as en, de, fr")
        if self.model.endswith(".en") and self.language not in (None, "en"):
            raise ValueError(f"model={self.model} hears English only; model=base hears others")
        if self.cpu_threads < 1:
            raise ValueError(f"cpu_threads={self.cpu_threads} must be 1 or more")
        if self.num_workers is not None and self.num_workers < 1:
            raise ValueError(f"num_workers={self.num_workers} must be 1 or more, or null")
        whisper_device(self.device)

    @functools.cached_property
    def _recogniser(self) -> Recogniser:
        return Recogniser(self.model, self.device, self.cpu_threads, self.num_workers)

    def weight_files(self) -> dict[str, Path]:
        """The files that would be loaded. Raises `MissingWeights`, before anything is loaded."""
        return dict(self._recogniser.files)

    def load(self) -> None:
        """Load the network now. Raises `CheckpointError`, `MissingWeights`."""
        self._recogniser.load()

    def spoken(self, separation: Separation, track: Track) -> str:
        """The language of a file."""
        known = self.language or track.language
        return known or self._remembered(
            separation.mixture, "", lambda: self._recogniser.language(separation.mixture)
        )

    def hear(self, audio: Audio, language: str) -> str:
        """The text of a sound."""
        return self._remembered(audio, language, lambda: self._recogniser.hear(audio, language))

    def alignment(self, separation: Separation, track: Track) -> Alignment | None:
        """The speech as it is heard, held against the transcript; None where that has no words."""
        texts = self.texts(separation, track)
        return align(*texts) if texts else None

    def texts(self, separation: Separation, track: Track) -> tuple[str, str] | None:
        """The transcript and what is heard, both normalised; None where there is no word in it."""
        if not any(character.isalnum() for character in track.transcript or ""):
            return None
        language = self.spoken(separation, track)
        wanted = normalise(track.transcript or "", language)
        if not wanted:
            return None
        return wanted, normalise(self.hear(separation.speech, language), language)

    def _remembered(self, audio: Audio, language: str, listen: Callable[[], str]) -> str:
        waveform = audio.waveform.detach().cpu().contiguous()
        content = hashlib.sha256(waveform.numpy().tobytes()).digest()
        who = (self.model, whisper_device(self.device))
        return _texts((content, audio.sample_rate, audio.channels, who, language), listen)
