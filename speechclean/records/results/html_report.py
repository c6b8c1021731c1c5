"""report.html: a run's results and sounds on one page.

It needs no other file and no network, so that it plays from a mail attachment and in MLflow's
sandboxed viewer. The page itself is in `assets/report/`, and put together by `player`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speechclean.records.file_result import FileResult
from speechclean.records.run_folder import CLIPS, REPORT, write_text
from speechclean.system.plain_text import printable

from . import verdict
from .headline import headline
from .player import CALLED, SOUNDS, clip, filled, has_clip
from .summary import Line, Metric, failures, improvement, lines, ranked

__all__ = ["SOUNDS", "write_page"]

#: Files that can be heard from each end of the ranking and from its middle.
OF_EACH = 3
#: Sounds and pictures in bytes, before base64 makes a third more of them: the page stays under 10
#: MB.
MOST_BYTES = 6_500_000


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
        **CALLED,
    }
    title = f"{name} · {folder.name}"
    return write_text(filled("page.html", title, data), folder / REPORT)


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
    by, order = ranked([result for result in results if has_clip(folder, result.alias)], metrics)
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
        made = clip(folder, alias, why)
        if used + made.size > MOST_BYTES:
            continue
        used += made.size
        clips.append(dict(made.data))
    return by, clips
