"""What flows through a run, and what the stages are that it flows through.

`Track` is one input, `Stems` one separator's answer, `Separation` the state of cleaning. The
protocols below them say what a pipeline wants of each stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor

from speechclean.audio.sound_files import load
from speechclean.audio.stft import apply_mask
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio
from speechclean.networks.cache import Cache


@dataclass(frozen=True)
class Track:
    """One input of a run, as paths: nothing is read until it is asked for.

    `alias` names its outputs. `reference_path` is the clean speech, `transcript` the spoken words,
    where they are known; `cleaned_path` is what some tool already made of it, where only that is to
    be judged. `relative` is where it lies below the data set's folder, made safe and without its
    extension: `a/b/c`. `language` is the code of what is spoken, `en`, where it is known.
    """

    alias: str
    path: Path
    reference_path: Path | None = None
    transcript: str | None = None
    cleaned_path: Path | None = None
    relative: str | None = None
    language: str | None = None

    @cached_property
    def reference(self) -> Audio | None:
        """The clean speech, read once and kept as long as this object lives.

        Raises `AudioError` if it cannot be read.
        """
        return None if self.reference_path is None else load(self.reference_path)


@dataclass(frozen=True)
class Stems:
    """One separator's answer for one mixture, at the separator's own sample rate.

    A rate below the mixture's tells how far up the separator heard: fusion never cuts the band
    above it. `is_gain` says that the speech already is the mixture under a gain, as a speech
    enhancer answers: fusion then takes the gain |speech| / |mixture| for its mask, where a ratio
    of powers made of it would cut a second time.
    """

    speech: Audio
    music: Audio
    is_gain: bool = False


@dataclass(frozen=True)
class Separation:
    """The mixture, the speech estimate and the soft mask that fusion gave.

    Shape: `mixture` and `speech` agree in rate, channels and samples; `mask` is `[channels, freqs,
    frames]` in 0..1 on the mixture's STFT (`audio.stft`), 1 where the bin belongs to speech;
    later stages carry it along unchanged. `gain` is the linear factor by which loudness management
    scaled `speech`; it is taken out again before the residual is formed, so that the residual is
    what was removed and not the voice at another level. `goes_on` says of a block of a longer sound
    whether that goes on before it, and after it. `others` are further estimates of the same
    mixture, by other fusions of the same answers; which one a file keeps, a selection says.
    """

    mixture: Audio
    speech: Audio
    mask: Tensor
    gain: float = 1.0
    goes_on: tuple[bool, bool] = (False, False)
    others: Mapping[str, Separation] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if (
            self.mixture.waveform.shape != self.speech.waveform.shape
            or self.mixture.sample_rate != self.speech.sample_rate
        ):
            raise ValueError(
                f"speech {tuple(self.speech.waveform.shape)} at {self.speech.sample_rate} Hz "
                f"does not match the mixture {tuple(self.mixture.waveform.shape)} "
                f"at {self.mixture.sample_rate} Hz"
            )

    @property
    def residual(self) -> Audio:
        """What was taken out: mixture - speech (at the level it had in the mixture)."""
        return self.mixture.with_waveform(self.mixture.waveform - self.speech.waveform / self.gain)

    @property
    def masked(self) -> Audio:
        """The mixture under the mask: what fusion kept, before later stages."""
        return self.mixture.with_waveform(apply_mask(self.mixture.waveform, self.mask))

    def with_speech(self, waveform: Tensor) -> Separation:
        """Another speech estimate `[channels, samples]` for the same mixture and mask."""
        return replace(self, speech=self.mixture.with_waveform(waveform))

    def of(self, mixture: Audio) -> Separation:
        """The same speech, as what was found in another mixture."""
        others = {name: one.of(mixture) for name, one in self.others.items()}
        return replace(self, mixture=mixture, others=others)

    def before(self) -> Separation:
        """The state before cleaning, in which the mixture is the speech: for metrics."""
        return replace(self, speech=self.mixture, gain=1.0, others={})

    def cpu(self) -> Separation:
        """The same on the CPU, where metrics and files are made."""
        mixture, speech = (
            one.with_waveform(one.waveform.cpu()) for one in (self.mixture, self.speech)
        )
        others = {name: one.cpu() for name, one in self.others.items()}
        return replace(self, mixture=mixture, speech=speech, mask=self.mask.cpu(), others=others)


#: Opened around each stage with its name, so that a runner can time them.
Clock = Callable[[str], AbstractContextManager[object]]
#: Called with what a stage made of one item of a batch: the item's index, the stage's name, the
#: waveform `[channels, samples]`.
Watch = Callable[[int, str, Tensor], None]
Fusion = Callable[[Audio, Mapping[str, Stems]], Separation]
#: An enhancement, or one step of post-processing.
Stage = Callable[[Separation], Separation]


class Separator(Protocol):
    """What a pipeline wants of a separator.

    One whose speech is a gain on the mixture has an attribute `is_gain` that is true, and sets it
    in its `Stems`: of a stream there is nothing else to tell by.
    """

    @property
    def sample_rate(self) -> int:
        """Rate of its stems in Hz."""

    def __call__(self, mixtures: Sequence[Audio]) -> list[Stems]:
        """The stems of a ragged batch, in its order."""

    def stream(self, sound: LongAudio) -> Iterator[Tensor]:
        """Speech and music of a sound too long for memory: pieces `[2, channels, samples]`."""


@runtime_checkable
class StreamingEnhancement(Protocol):
    """An enhancement by a network, which has to hear more than a block of a long sound."""

    @property
    def idle(self) -> bool:
        """Whether it changes nothing, and needs no network."""

    @property
    def sample_rate(self) -> int:
        """Rate that the network works at, in Hz."""

    def stream(self, speech: LongAudio) -> Iterator[Tensor]:
        """The network's own output at its rate: pieces `[channels, samples]`."""

    def apply(self, separation: Separation, denoised: Audio) -> Separation:
        """The separation with the network's output for its speech mixed in."""


@runtime_checkable
class Reusing(Protocol):
    """A stage whose work is worth keeping."""

    def reusing(self, cache: Cache) -> Callable[..., Any]:
        """The stage itself, with the same answers, those that `cache` holds taken from there."""


@runtime_checkable
class Together(Protocol):
    """A stage for which a GPU has less to do for many files together than one by one."""

    def together(self, separations: Sequence[Separation], cache: Cache) -> list[Separation]:
        """Each as by itself; what `cache` holds is taken from there."""


class Metric(Protocol):
    """A judgement of `separation.speech`; None where it does not apply, never a made-up number.

    `unit` is empty for plain numbers. `higher_is_better` is None for a level, which is neither good
    nor bad. `reads_mask` says whether the value depends on `separation.mask`, which differs between
    pipelines where the mixture is the same: what does not can be remembered for all of them.

    One that can be measured in no file without a clean reference, or without a transcript, has a
    class variable `needs: ClassVar[str]` besides, "reference" or "transcript": a run says before
    any work what cannot be heard, and in its tables why nothing was.

    Packages that it imports and that not every installation has are named, as they are imported, in
    `needs_packages: ClassVar[tuple[str, ...]]`: a config that asks for what is missing is refused.
    """

    unit: ClassVar[str]
    higher_is_better: ClassVar[bool | None]
    reads_mask: ClassVar[bool]

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The value of one sound."""
