"""The pipeline for use from Python: a sound or a file in, the cleaned one out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Self

import torch
from omegaconf import DictConfig
from torch import Tensor

from speechclean.audio.arrays import Sound, as_audio
from speechclean.audio.sound_files import save
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio, AudioError
from speechclean.experiment.config.command_line import composed_or_refused, typed
from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.config.old_names import todays
from speechclean.experiment.config.sound_alone import SOUND_ALONE, judging, refused
from speechclean.experiment.config.validate import validate
from speechclean.stages.datasets import aliases
from speechclean.stages.screening import untouched
from speechclean.stages.streaming import clean_long
from speechclean.stages.types import Separation, Track

from .clean import Batching, Outcome, clean, has_music
from .load_networks import load
from .outputs import save_streamed
from .stage_clock import StageClock

#: So many files go through the networks together.
_FILES_AT_ONCE = 4


@dataclass(frozen=True)
class Separated(Generic[Sound]):
    """What became of a sound, in its own form.

    speech: the cleaned sound; residual: what was taken out, at the level it had in the mixture
    mask: the soft mask of speech, `[channels, frequencies, frames]` in 0..1
    """

    speech: Sound
    residual: Sound
    mask: Tensor


@dataclass(frozen=True)
class CleanedFile:
    """What became of a file: where its cleaned sound is, or the reason why there is none."""

    path: Path
    output: Path | None
    reason: str = ""


class Cleaner:
    """Takes the music out of speech. Made once and used for many sounds; threads may share it.

    preset: `fast`, `balanced`, `best`, or any other recipe of conf/experiment
    device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`
    cache: a folder that keeps what networks answered, for sounds that come again; None for none
    overrides: what one would type after `speechclean`: `["fusion=max_mask", "fusion.exponent=1"]`
    settings: the same as keywords: `overlap=0.5`, `**{"fusion.exponent": 1}`

    Raises `ConfigError` for what cannot be: weights that are missing, and settings of a run that
    would do nothing here (metrics, guard, output ...), are among it.

    >>> cleaner = Cleaner("fast", **{"postprocess.floor.floor_db": -26})  # doctest: +SKIP
    >>> speech = cleaner.clean(mixture, sample_rate=24000)  # doctest: +SKIP
    """

    def __init__(
        self,
        preset: str = "balanced",
        *,
        device: str = "auto",
        cache: str | Path | None = None,
        overrides: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        kept = {"cache.enabled": True, "cache.dir": str(cache)} if cache else {}
        own: Mapping[str, Any] = {"device": device, **kept, **settings}
        lines = [f"{key}={typed(value)}" for key, value in own.items()]
        problems = refused([*lines, *overrides])
        try:
            cfg = composed_or_refused([f"experiment={preset}", *SOUND_ALONE, *lines, *overrides])
        except ConfigError as error:
            typed_as = f"experiment={preset}:"
            others = [one.replace(typed_as, f"preset {preset}:") for one in error.problems]
            raise ConfigError([*problems, *others]) from error
        if problems:
            raise ConfigError(problems)
        cfg.name = preset
        self._set_up(cfg)

    @classmethod
    def of(cls, cfg: DictConfig) -> Self:
        """One with the pipeline of a run's config. Raises `ConfigError` for what cannot be."""
        made = cls.__new__(cls)
        made._set_up(cfg)  # noqa: SLF001 (it is of this class)
        return made

    def _set_up(self, cfg: DictConfig) -> None:
        cfg = todays(cfg)
        if problems := judging(cfg):
            raise ConfigError(problems)
        with tempfile.TemporaryDirectory() as scratch:
            cfg.output.dir = scratch
            experiment = validate(cfg)
        load(experiment)
        self._pipeline, self._screening = experiment.pipeline, experiment.screening
        self._batching = Batching(
            _FILES_AT_ONCE,
            float(cfg.audio_in_memory_s),
            float(cfg.stream_above_s),
            Path(),
            max_decoded_gb=cfg.max_decoded_gb,
        )

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        return self._pipeline.device

    @property
    def models(self) -> list[str]:
        """The separators, by their names in the config."""
        return list(self._pipeline.separators)

    def clean(self, sound: Sound, sample_rate: int) -> Sound:
        """The sound without its music: the same type, shape, rate, device and number of samples.

        sound: numpy array or torch tensor, `[samples]` or `[channels, samples]`; floats in -1..1,
            16-bit or 32-bit integers
        sample_rate: in Hz

        Raises `AudioError` for what is no sound.
        """
        audio, back = as_audio(sound, sample_rate)
        if audio.seconds <= self._batching.stream_above_s:
            return back(self._separation(audio).speech.waveform)
        with tempfile.TemporaryDirectory() as scratch:
            long = LongAudio.of(save(audio, Path(scratch) / "sound.wav", "FLOAT"))
            if not has_music("the sound", long, self._screening):
                return back(audio.waveform.clone())
            cleaned = clean_long(self._pipeline, long, Path(scratch), StageClock())
            return back(torch.cat(list(cleaned.cleaned()), -1))

    def separate(self, sound: Sound, sample_rate: int) -> Separated[Sound]:
        """As `clean`, with what was taken out and the mask. All of it is in memory at once."""
        audio, back = as_audio(sound, sample_rate)
        found = self._separation(audio)
        return Separated(back(found.speech.waveform), back(found.residual.waveform), found.mask)

    def clean_file(self, path: str | Path, output: str | Path) -> Path:
        """Clean a file (wav, mp3, m4a, mp4 …) into `output`, a wav or flac; where it is then.

        Rate, channels, length and bits of the samples are those of the input; a flac has 24 bits at
        most. Raises `AudioError`
        where the file cannot be cleaned, or its output cannot be written.
        """
        (found,) = self.clean_each([(path, output)])
        if found.output is None:
            raise AudioError(found.reason)
        return found.output

    def clean_bytes(self, sound: bytes) -> bytes:
        """The bytes of a sound file (wav, flac, mp3, m4a …) in, those of the cleaned wav out.

        Raises `AudioError` where it cannot be cleaned.
        """
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "input"
            path.write_bytes(sound)
            try:
                return self.clean_file(path, Path(scratch) / "cleaned.wav").read_bytes()
            except AudioError as error:  # where it lay is nobody's concern who asks from elsewhere
                reason = str(error).replace(str(path), "the sound")
                raise AudioError(reason.replace(scratch, "a temporary folder")) from error

    def clean_files(self, paths: Iterable[str | Path], folder: str | Path) -> Iterator[CleanedFile]:
        """Clean files into a folder as `<name>.wav`, one after another, as they are asked for.

        A file that cannot be cleaned is named, and costs no other one. Two of one name get names
        of their own.
        """
        files = [Path(path) for path in paths]
        names = aliases.unique(
            [aliases.safe(path.stem) for path in files], [str(path) for path in files]
        )
        outputs = [Path(folder) / f"{name}.wav" for name in names]
        return self.clean_each(list(zip(files, outputs, strict=True)))

    def clean_each(self, files: Sequence[tuple[str | Path, str | Path]]) -> Iterator[CleanedFile]:
        """Clean files, each into an output of its own; as `clean_files`."""
        pairs = [(Path(path), Path(output)) for path, output in files]
        for outcome in self.outcomes([path for path, _ in pairs]):
            yield written(outcome, *pairs[int(outcome.track.alias)])

    def outcomes(self, paths: Sequence[Path]) -> Iterator[Outcome]:
        """What the pipeline makes of files, in their order, before any of it is written.

        What a long one holds is gone with the next.
        """
        tracks = [Track(str(number), path) for number, path in enumerate(paths)]
        with tempfile.TemporaryDirectory() as scratch:
            batching = replace(self._batching, scratch=Path(scratch))
            yield from clean(tracks, self._pipeline, batching, self._screening)

    def _separation(self, audio: Audio) -> Separation:
        if not has_music("the sound", audio, self._screening):
            return untouched(audio.with_waveform(audio.waveform.clone()))  # it is the caller's
        return self._pipeline([audio])[0]


def written(outcome: Outcome, path: Path, output: Path) -> CleanedFile:
    """Write what became of a file. What cannot be written is the reason why it is not there."""
    try:
        if outcome.separation is not None:
            save(outcome.separation.speech, output, outcome.subtype)
        elif outcome.long is not None:
            save_streamed(outcome, output)
        else:
            return CleanedFile(path, None, outcome.reason)
    except (OSError, AudioError, ValueError, RuntimeError) as error:  # libsndfile's are the latter
        return CleanedFile(path, None, f"{output}: cannot be written ({error})")
    return CleanedFile(path, output)
