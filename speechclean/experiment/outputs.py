"""From an outcome to files and a row: judged, guarded, measured, written."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from speechclean.audio.sound_files import save, save_chunks
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio
from speechclean.records.results import ab_clips, spectrograms, verdict
from speechclean.stages.types import Separation, Track

from .clean import Outcome, measure

log = logging.getLogger(__name__)

#: How outputs lie in a run's folder: all in one, under their aliases, or in folders like the
#: inputs'.
LAYOUTS = ("flat", "tree")


class Judging(Protocol):
    """What a config says of measuring, judging and guarding."""

    @property
    def metrics(self) -> Mapping[str, Any]: ...

    @property
    def verdict(self) -> Any: ...

    @property
    def guard(self) -> Any: ...


@dataclass(frozen=True)
class Leaving:
    """What a file leaves in `folder`: the `cleaned` sound, snippets of `ab_seconds` (0: none),
    `plots`.
    """

    folder: Path
    ab_seconds: float = 0.0
    plots: bool = False
    cleaned: bool = True


def cleaned_path(track: Track, layout: str) -> str:
    """Where a track's cleaned file lies in a run's folder."""
    place = track.relative if layout == "tree" and track.relative else track.alias
    return f"cleaned/{place}.wav"


def finish(outcome: Outcome, judging: Judging, leaving: Leaving, output: str) -> dict[str, Any]:
    """Write one file's outputs, the cleaned sound to `output` in the folder, and measure it; its
    row. What cannot be written raises `OSError`.
    """
    track, shown, folder = outcome.track, outcome.separation, leaving.folder
    row: dict[str, Any] = {
        "alias": track.alias,
        "path": str(track.path),
        "status": "failed",
        "reason": outcome.reason,
    }
    path = folder / output
    if outcome.separation is not None:
        sound: Audio | LongAudio = outcome.separation.mixture
        shown, measures = judged(outcome, outcome.separation, judging)
        if track.cleaned_path is None and leaving.cleaned:
            save(shown.speech, path, outcome.subtype)
    elif outcome.long is not None:
        sound = outcome.long.mixture
        if leaving.cleaned:
            save_chunks(
                outcome.long.cleaned(),
                path,
                sound.sample_rate,
                sound.channels,
                outcome.subtype,
                sound.samples,
            )
        # What needs the whole sound in memory is not measured; loudness and peak were on the way.
        measures = {
            f"{name}_{state}": None for name in judging.metrics for state in ("mixture", "cleaned")
        }
        measures |= {name: level for name, level in outcome.long.levels.items() if name in measures}
        measures |= {"verdict": verdict.PASSED if outcome.untouched else verdict.NOT_JUDGED}
        if leaving.ab_seconds or leaving.plots:
            shown = outcome.long.excerpt(max(leaving.ab_seconds, 1.0))
    else:
        log.error("%s", outcome.reason)
        return row
    if shown is not None and leaving.ab_seconds:
        ab_clips.write_snippets(shown, track.alias, folder / "ab", leaving.ab_seconds)
    if shown is not None and leaving.plots:
        spectrograms.write_spectrograms(shown, folder / "plots" / f"{track.alias}.png", track.alias)
    row |= {"status": "cleaned", "reason": "", "seconds": sound.samples / sound.sample_rate}
    row |= {"sample_rate": sound.sample_rate, "channels": sound.channels} | measures
    return row | {f"{stage}_s": seconds for stage, seconds in outcome.seconds.items()}


def judged(
    outcome: Outcome, found: Separation, judging: Judging
) -> tuple[Separation, dict[str, Any]]:
    """What is kept of a separation; its measures, its verdict, and the share of cleaned speech in
    it.
    """
    track, metrics = outcome.track, judging.metrics
    first = measure(metrics, found, track)
    if outcome.untouched:
        return found, first | {"verdict": verdict.PASSED, "wet": 0.0}
    if track.cleaned_path is not None:
        return found, first | {"verdict": judging.verdict.judge(first, metrics)}
    before = {name: value for name, value in first.items() if name.endswith("_mixture")}
    last = (found, first)

    def harms(candidate: Separation) -> bool:
        nonlocal last
        if candidate is not last[0]:
            last = (candidate, measure(metrics, candidate, track, before))
        return verdict.is_harm(judging.verdict.judge(last[1], metrics))

    kept, wet = judging.guard(found, harms)
    measures = last[1] if kept is last[0] else measure(metrics, kept, track, before)
    word = judging.verdict.judge(measures, metrics) if wet else verdict.PASSED
    if wet < 1:
        log.warning(
            "%s: %s; %.0f %% of it is mixture now",
            track.alias,
            judging.verdict.judge(first, metrics),
            100 * (1 - wet),
        )
    return kept, measures | {"verdict": word, "wet": wet}
