"""Tracks through the pipeline; a bad file costs itself alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from speechclean.audio.sound_files import probe
from speechclean.audio.stream import Forward, LongAudio
from speechclean.audio.waveform import Audio, AudioError
from speechclean.records.fingerprint import Fingerprint, Fingerprinter
from speechclean.stages.long_separation import LongSeparation, untouched_long
from speechclean.stages.pipeline import Pipeline
from speechclean.stages.screening import NoScreening, Screening, untouched
from speechclean.stages.streaming import clean_long
from speechclean.stages.types import Separation, Track
from speechclean.system import allocator, onednn
from speechclean.system.signals import signals_held

from .read import read
from .stage_clock import StageClock

log = logging.getLogger(__name__)
#: Length of the stretches in which a long file is screened, in seconds.
SCREENED_S = 60.0


@dataclass(frozen=True)
class Outcome:
    """What the pipeline made of one track: a separation, in memory or on the disk, or a reason.

    `seconds` per stage is the file's share, by duration, of its batch. `subtype` is that of the
    output. `fingerprints` of what passed each stage begin with the decoded `input`; a file's
    loudness, a gain on writing, has none. A `long` separation is gone with the next outcome.
    """

    track: Track
    separation: Separation | None = None
    long: LongSeparation | None = None
    reason: str = ""
    subtype: str = "PCM_16"
    seconds: Mapping[str, float] = field(default_factory=dict)
    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict)
    untouched: bool = False  #: no music was found in it


@dataclass(frozen=True)
class Batching:
    """How files share forward passes, cores and memory.

    files, audio_in_memory_s: files, or seconds of sound, that are read, separated and written
        together
    stream_above_s: longer files, in seconds, pass through the disk, in the folder `scratch`
    fingerprints: whether fingerprints of what each stage made are taken
    max_decoded_gb: files that hold more, as 32-bit floats, are refused; None: none is
    """

    files: int
    audio_in_memory_s: float
    stream_above_s: float
    scratch: Path
    fingerprints: bool = False
    max_decoded_gb: float | None = None


def clean(
    tracks: Sequence[Track],
    pipeline: Pipeline,
    batching: Batching,
    screening: Screening | None = None,
) -> Iterator[Outcome]:
    """Outcomes in the order of the tracks; files in which `screening` hears no music pass."""
    screening = screening or NoScreening()
    batch: list[tuple[Track, Audio]] = []
    for track in tracks:
        track = replace(track)  # its reference, once read, is freed with this copy
        audio, reason = read(track.path, batching.stream_above_s, batching.max_decoded_gb)
        if isinstance(audio, Audio):
            batch.append((track, audio))
            seconds = sum(audio.seconds for _, audio in batch)
            if len(batch) < batching.files and seconds < batching.audio_in_memory_s:
                continue
        yield from screened(batch, pipeline, batching.fingerprints, screening)
        batch = []
        if isinstance(audio, LongAudio):
            yield from stream(track, audio, pipeline, batching, screening)
        elif audio is None:
            yield Outcome(track, reason=reason)
    yield from screened(batch, pipeline, batching.fingerprints, screening)


def screened(
    batch: Sequence[tuple[Track, Audio]],
    pipeline: Pipeline,
    fingerprints: bool,
    screening: Screening,
) -> Iterator[Outcome]:
    """The outcomes of one batch, in its order; only those with music meet the pipeline."""
    music = [has_music(track.alias, audio, screening) for track, audio in batch]
    cleaned = _run(
        [one for one, found in zip(batch, music, strict=True) if found], pipeline, fingerprints
    )
    for (track, audio), found in zip(batch, music, strict=True):
        yield next(cleaned) if found else _passed(track, audio)


def _passed(track: Track, audio: Audio) -> Outcome:
    """The outcome of a file without music."""
    try:
        return _told(Outcome(track, untouched(audio), untouched=True))
    except Exception as error:  # noqa: BLE001 (as below)
        return _failed(track, error)


def _failed(track: Track, error: Exception) -> Outcome:
    """The outcome of a file that failed, whatever it was."""
    if isinstance(error, AudioError):
        return Outcome(track, reason=str(error))
    log.error("%s", track.path, exc_info=error)
    return Outcome(track, reason=f"{track.path}: {type(error).__name__}: {error}")


def _told(outcome: Outcome) -> Outcome:
    """An outcome with the subtype of its output, which its input's header says."""
    path = outcome.track.path
    try:
        return replace(outcome, subtype=probe(path).output_subtype)
    except (AudioError, OSError) as error:
        reason = f"{path}: is not any more what it was when it was read ({error})"
        return Outcome(outcome.track, reason=reason)


def has_music(name: str, sound: Audio | LongAudio, screening: Screening) -> bool:
    """Whether there is music; a sound that cannot be screened, told by its `name`, is cleaned.

    Digital silence holds none, whatever the screening: models would take hours to return it.
    """
    try:
        if isinstance(sound, Audio):
            return bool(sound.waveform.any()) and screening.finds_music(sound)
        if not any(chunk.any() for chunk in sound.chunks()):
            return False
        length = int(SCREENED_S * sound.sample_rate)
        reader = Forward(sound.chunks())  # forward: a place in an mp3 is found by decoding to it
        stretches = (
            reader.read(start, min(start + length, sound.samples))
            for start in range(0, sound.samples, length)
        )
        return any(
            screening.finds_music(Audio(stretch, sound.sample_rate)) for stretch in stretches
        )
    except Exception as error:  # noqa: BLE001 (screening is a saving, not a condition)
        log.warning("%s: could not be screened, so it is cleaned (%s)", name, error)
        return True


def stream(
    track: Track, sound: LongAudio, pipeline: Pipeline, batching: Batching, screening: Screening
) -> Iterator[Outcome]:
    """The outcome of a long file, through the disk; what it holds is gone after the next step."""
    clock, fingerprinter = StageClock(), Fingerprinter()
    music = has_music(track.alias, sound, screening)
    cleaned: LongSeparation | None = None
    with ExitStack() as held:
        try:
            with signals_held():  # between its making and the note that it is to be removed
                scratch = TemporaryDirectory(None, ".streaming-", str(batching.scratch), True)
            folder = Path(held.enter_context(scratch))
            if music and batching.fingerprints:
                for chunk in sound.chunks():
                    fingerprinter.feed("input", chunk)
            watch = (fingerprinter.feed,) if batching.fingerprints else ()
            own = (pipeline, sound, folder, clock, *watch)
            cleaned = onednn.able(lambda: clean_long(*own)) if music else untouched_long(sound)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is this file's failure)
            failed = _failed(track, error)
        if cleaned is None:
            allocator.hand_back(0)
            yield failed
        else:
            told = Outcome(track, seconds=clock.seconds, fingerprints=fingerprinter.fingerprints())
            yield _told(replace(told, long=cleaned, untouched=not music))


def _run(
    batch: Sequence[tuple[Track, Audio]], pipeline: Pipeline, fingerprints: bool
) -> Iterator[Outcome]:
    """The outcomes of one batch.

    If it fails as a whole, each file goes by itself, so that only the bad one is lost.
    """
    if not batch:
        return
    clock, fingerprinters = StageClock(), [Fingerprinter() for _ in batch]
    separations = _tried(batch, pipeline, clock, fingerprinters if fingerprints else [])
    if isinstance(separations, str):
        # Where memory is limited, oneDNN would find none for maps of its own in any later file.
        allocator.hand_back(0)
        if len(batch) == 1:
            yield Outcome(batch[0][0], reason=f"{batch[0][0].path}: {separations}")
        else:
            for one in batch:
                yield from _run([one], pipeline, fingerprints)
        return
    total = sum(audio.seconds for _, audio in batch)
    for (track, audio), separation, fingerprinter in zip(
        batch, separations, fingerprinters, strict=True
    ):
        share = {stage: seconds * audio.seconds / total for stage, seconds in clock.seconds.items()}
        if not separation.speech.waveform.isfinite().all():
            reason = f"{track.path}: the pipeline made NaN or infinity of it; please report this"
            yield Outcome(track, reason=reason)
        else:
            made = fingerprinter.fingerprints()
            yield _told(Outcome(track, separation, seconds=share, fingerprints=made))


def _tried(
    batch: Sequence[tuple[Track, Audio]],
    pipeline: Pipeline,
    clock: StageClock,
    fingerprinters: Sequence[Fingerprinter],
) -> list[Separation] | str:
    """What the pipeline makes of a batch, or the error's words.

    An exception holds all that its pass had made: it ends here, before anything else is tried.
    """

    def watch(index: int, stage: str, waveform: Tensor) -> None:
        if fingerprinters:
            with clock("marks"):  # so called in the times of every recorded run
                fingerprinters[index].feed(stage, waveform)

    try:
        for index, (_, audio) in enumerate(batch):
            watch(index, "input", audio.waveform)
        return onednn.able(lambda: pipeline([audio for _, audio in batch], clock, watch))
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        if len(batch) > 1:
            log.warning("%d files together failed (%s), going on one by one", len(batch), words)
        else:
            log.exception("%s", batch[0][0].path)
        return words
