"""report.html: a run's results and sounds on one page.

It needs no other file and no network, so that it plays from a mail attachment and in MLflow's
sandboxed viewer. The page itself is in `assets/report/`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speechclean.audio.loudness import integrated_lufs
from speechclean.audio.sound_files import as_mp3, load
from speechclean.audio.waveform import Audio
from speechclean.records.file_result import FileResult
from speechclean.records.run_folder import CLIPS, REPORT, write_text
from speechclean.system.plain_text import printable
from speechclean.system.resources import asset

from . import spectrograms, verdict
from .headline import headline
from .summary import Line, Metric, failures, improvement, lines, ranked

ASSETS = asset("report")
SOUNDS = ("mixture", "cleaned", "residual")
#: Files that can be heard from each end of the ranking and from its middle.
OF_EACH = 3
#: Sounds and pictures in bytes, before base64 makes a third more of them: the page stays under 10
#: MB.
MOST_BYTES = 6_500_000
#: Columns of the waveform.
PEAKS = 400
#: No gain may bring a sound over this.
HIGHEST_PEAK = 0.97


def write_page(
    results: Sequence[FileResult],
    means: Mapping[str, float],
    metrics: Mapping[str, Metric],
    folder: Path,
    name: str,
    seed: int,
    asked: Sequence[str] = (),
    origin: str = "",
) -> Path:
    """Write report.html, with the A/B clips of the worst, the middle and the best files.

    name, seed: the run's, shown on the page; asked: the metrics that verdicts come of
    origin: where, when and by what the files were made, shown below the title
    """
    by, clips = _clips(results, metrics, folder / CLIPS)
    done = len(results) - len(failures(results))
    data = {
        "name": name,
        "seed": seed,
        "origin": printable(origin),
        "title": f"{name}: {done} of {len(results)} files finished",
        "how": f"The files that gained least, most and in the middle, by {by}; "
        "the stretch of each with most music."
        if by
        else "",
        "verdicts": verdict.counts(results)
        | ({"failed": len(results) - done} if done < len(results) else {}),
        "judged_by": verdict.judged_by(asked, results),
        "headline": [{"cells": row.cells, "gain": row.gain} for row in headline(results, metrics)],
        "means": _means(lines(results, means, metrics)),
        "metrics": [
            {
                "name": line.name,
                "unit": line.metric.unit,
                "higher": line.metric.higher_is_better,
                "better": line.better,
            }
            for line in lines(results, means, metrics)
        ],
        "rows": [_row(result, metrics) for result in results],
        "clips": clips,
    }
    parts = {key: (ASSETS / f"page.{key}").read_text(encoding="utf-8") for key in ("css", "js")}
    # `</script>` in a file's name would end the script early, and a name that is no unicode must
    # not cost the report.
    text = json.dumps(data, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    parts |= {"data": text, "title": re.sub(r"[<>&]", " ", f"{name} · {folder.name}")}
    page = re.sub(
        r"\{\{(\w+)\}\}",
        lambda place: parts[place[1]],
        (ASSETS / "page.html").read_text(encoding="utf-8"),
    )
    return write_text(page, folder / REPORT)


def _means(found: Sequence[Line]) -> list[dict[str, Any]]:
    return [
        {
            "name": line.name,
            "unit": line.metric.unit,
            "mixture": line.mixture,
            "cleaned": line.cleaned,
            "files": line.files,
            "gain": improvement(line.mixture, line.cleaned, line.metric),
            "better": line.better,
        }
        for line in found
    ]


def _row(result: FileResult, metrics: Mapping[str, Metric]) -> dict[str, Any]:
    shown = f"failed: {result.reason}" if result.failed else result.verdict or verdict.NOT_JUDGED
    return {
        "alias": result.alias,
        "verdict": shown,
        "seconds": result.seconds,
        "values": {name: pair for name in metrics if (pair := result.pair(name))},
    }


def _clips(
    results: Sequence[FileResult], metrics: Mapping[str, Metric], folder: Path
) -> tuple[str, list[dict[str, Any]]]:
    """The metric that files are ranked by, and the clips that fit on the page, the worst first."""
    by, order = ranked([result for result in results if _has_clips(folder, result)], metrics)
    unit = f" {metrics[by].unit}".rstrip() if by else ""
    picks: dict[str, tuple[int, str]] = {}
    middle = max(0, (len(order) - OF_EACH) // 2)
    # The best first: of a few files that are all three, the worst has the last word.
    groups = (
        ("best", range(len(order) - 1, len(order) - 1 - OF_EACH, -1)),
        ("median", range(middle, middle + OF_EACH)),
        ("worst", range(OF_EACH)),
    )
    for why, places in groups:
        for place in places:
            if 0 <= place < len(order):
                result, gain = order[place]
                picks[result.alias] = (place, f"{why}, {gain:+.2f}{unit}" if by else "")
    if len(order) <= 3 * OF_EACH:  # then all of them, by rank
        picks = {
            result.alias: (n, f"{n + 1} of {len(order)}" + (f", {gain:+.2f}{unit}" if by else ""))
            for n, (result, gain) in enumerate(order)
        }
    clips: list[dict[str, Any]] = []
    used = 0
    for alias, (_, why) in sorted(picks.items(), key=lambda pick: pick[1][0]):
        clip, size = _clip(alias, why, folder)
        if used + size > MOST_BYTES:
            continue
        used += size
        clips.append(clip)
    return by, clips


def _has_clips(folder: Path, result: FileResult) -> bool:
    return all((folder / f"{result.alias}_{name}.flac").is_file() for name in SOUNDS)


def _clip(alias: str, why: str, folder: Path) -> tuple[dict[str, Any], int]:
    """One file's three sounds with their pictures, and the number of bytes that they take.

    `matched` is the linear gain at which mixture and cleaned are equally loud (LUFS); the residual
    gets the mixture's.
    """
    sounds = {name: load(folder / f"{alias}_{name}.flac") for name in SOUNDS}
    loudness = {name: integrated_lufs(sound) for name, sound in sounds.items()}
    gains = dict.fromkeys(SOUNDS, 1.0)
    before, after = loudness["mixture"], loudness["cleaned"]
    if before is not None and after is not None:
        # A sound that is next to silent is not amplified to the mixture's level.
        gains["cleaned"] = 10 ** (min(30.0, before - after) / 20)
    peak = max(
        gains[name] * float(sound.waveform.abs().max())
        for name, sound in sounds.items()
        if sound.samples
    )
    common = min(1.0, HIGHEST_PEAK / peak) if peak else 1.0
    loudest = spectrograms.loudest_db(sounds["mixture"])
    made, size = {}, 0
    for name, sound in sounds.items():
        coded, picture = as_mp3(sound), spectrograms.spectrogram_png(sound, loudest)
        size += len(coded) + len(picture)
        texts = {"mp3": base64.b64encode(coded).decode(), "png": base64.b64encode(picture).decode()}
        made[name] = texts | {"matched": gains[name] * common, "peaks": _peaks(sound)}
    return {"alias": alias, "why": why, "seconds": sounds["mixture"].seconds, "sounds": made}, size


def _peaks(sound: Audio) -> list[int]:
    """The waveform's outline: peaks of `PEAKS` equal stretches, in percent of full scale."""
    pieces = sound.waveform.abs().amax(0).tensor_split(min(PEAKS, max(1, sound.samples)))
    return [min(100, round(100 * float(piece.max()))) if len(piece) else 0 for piece in pieces]
