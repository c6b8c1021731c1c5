"""One file's outputs: the cleaned sound, A/B clips and pictures, and its `FileResult`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from speechclean.audio.sound_files import save, save_chunks
from speechclean.records.file_result import FileResult, Status
from speechclean.records.fingerprint import OUTPUT_STAGE, Fingerprint, fingerprint_of
from speechclean.records.results import ab_clips, spectrograms
from speechclean.records.run_folder import CLIPS, PLOTS
from speechclean.stages.types import Separation

from .clean import Outcome
from .measure import Assessment, Criteria, assess, assess_streamed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OutputOptions:
    """What a file leaves in `folder`.

    ab_seconds: length of its A/B clips; 0 for none
    plots: whether there are spectrograms
    cleaned: whether the cleaned sound is written
    fingerprint: whether a cleaned file has its fingerprint taken even if its stages had not
    """

    folder: Path
    ab_seconds: float = 0.0
    plots: bool = False
    cleaned: bool = True
    fingerprint: bool = False


def write_outputs(
    outcome: Outcome, criteria: Criteria, options: OutputOptions, output: str
) -> FileResult:
    """Measure one file, and write its outputs: the cleaned sound to `output` in the folder.

    Raises `OSError` for what cannot be written.
    """
    track = outcome.track
    if outcome.separation is not None:
        kept, assessment = assess(outcome, outcome.separation, criteria)
        if track.cleaned_path is None and options.cleaned:
            save(kept.speech, options.folder / output, outcome.subtype)
        _write_views(kept, track.alias, options)
        shape = kept.mixture.samples, kept.mixture.sample_rate, kept.mixture.channels
    elif outcome.long is not None:
        assessment = assess_streamed(outcome, criteria)
        if options.cleaned:
            save_streamed(outcome, options.folder / output)
        if options.ab_seconds or options.plots:
            excerpt = outcome.long.excerpt(max(options.ab_seconds, 1.0))
            _write_views(excerpt, track.alias, options)
        sound = outcome.long.mixture
        shape = sound.samples, sound.sample_rate, sound.channels
    else:
        log.error("%s", outcome.reason)
        return FileResult.failure(track.alias, str(track.path), outcome.reason, output)
    return _result(outcome, assessment, shape, options, output)


def save_streamed(outcome: Outcome, path: Path) -> None:
    """Write the cleaned sound of a long outcome, in flat memory."""
    assert outcome.long is not None
    mixture = outcome.long.mixture
    save_chunks(
        outcome.long.cleaned(),
        path,
        mixture.sample_rate,
        mixture.channels,
        outcome.subtype,
        mixture.samples,
    )


def _result(
    outcome: Outcome,
    assessment: Assessment,
    shape: tuple[int, int, int],
    options: OutputOptions,
    output: str,
) -> FileResult:
    """The result of a cleaned file of so many samples, sample rate and channels."""
    samples, sample_rate, channels = shape
    return FileResult(
        outcome.track.alias,
        str(outcome.track.path),
        Status.CLEANED,
        "",
        samples / sample_rate,
        sample_rate,
        channels,
        assessment.measures,
        assessment.verdict,
        assessment.wet,
        outcome.seconds,
        output,
        _fingerprints(outcome, options, options.folder / output),
        assessment.selected,
    )


def _fingerprints(outcome: Outcome, options: OutputOptions, path: Path) -> dict[str, Fingerprint]:
    """Those of the stages, then that of the written file."""
    if not (outcome.fingerprints or options.fingerprint) or not path.is_file():
        return {}
    return {**outcome.fingerprints, OUTPUT_STAGE: fingerprint_of(path)}


def _write_views(separation: Separation, alias: str, options: OutputOptions) -> None:
    """A/B clips and spectrograms."""
    if options.ab_seconds:
        folder = options.folder / CLIPS
        ab_clips.write_snippets(separation, alias, folder, options.ab_seconds)
    if options.plots:
        path = options.folder / PLOTS / f"{alias}.png"
        spectrograms.write_spectrograms(separation, path, alias)
