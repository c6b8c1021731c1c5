"""The comparison of two or more recorded runs as tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from speechclean.records.tracking import Record
from speechclean.system.plain_text import one_line
from speechclean.system.secrets import masked

from .comparison import (
    PairedMetric,
    SoundDifference,
    config_differences,
    count_by_stage,
    metric_changes,
    sound_differences,
)

#: Files whose sound is listed one by one, those that differ most first.
LISTED = 10


def show(runs: Sequence[Record], console: Console) -> None:
    """Print the comparison of two or more runs; the first is what the others are held against."""
    letters = [_letter(index) for index in range(len(runs))]
    for letter, run in zip(letters, runs, strict=True):
        line = f"[bold]{letter}[/] {_shown(run.name)} ({run.id}) {_shown(run.status)}"
        console.print(line, soft_wrap=True)
    _show_configs(runs, letters, console)
    for letter, run in zip(letters[1:], runs[1:], strict=True):
        _show_metrics(metric_changes(runs[0], run), letter, console)
        _show_sounds(list(sound_differences(runs[0], run)), letter, console)


def _show_configs(runs: Sequence[Record], letters: Sequence[str], console: Console) -> None:
    unlike = config_differences(runs)
    if not unlike:
        console.print("\nThe configs are the same.")
        return
    console.print("\nConfig, what differs")
    table = _table("key", *letters)
    for key, values in unlike.items():
        cells = ["" if value is None else _shown(str(value)) for value in values]
        table.add_row(_shown(key), *cells)
    console.print(table)


def _show_metrics(changes: Sequence[PairedMetric], letter: str, console: Console) -> None:
    console.print(f"\nMetrics of the cleaned files, A and {letter}")
    table = _table("metric", "A", letter, "change", "95 %", "p", "up", "down", "n")
    for each in changes:
        low, high = each.interval
        table.add_row(
            _shown(each.metric),
            f"{each.means[0]:.3f}",
            f"{each.means[1]:.3f}",
            f"{each.change:+.3f}",
            "" if math.isnan(low) else f"{low:+.3f} … {high:+.3f}",
            "" if each.p is None else f"{each.p:.2g}",
            str(each.higher),
            str(each.lower),
            str(each.files),
        )
    console.print(table)
    console.print(
        "Paired by file: Student's t interval of the mean change, Wilcoxon's signed-rank p "
        "(six pairs or more)."
    )


def _show_sounds(differences: Sequence[SoundDifference], letter: str, console: Console) -> None:
    if not differences:
        console.print(
            "No fingerprints or cleaned files are kept with both: "
            "where the sound differs cannot be told."
        )
        return
    counts = count_by_stage(differences).most_common()
    stages = ", ".join(f"{stage} ({count})" for stage, count in counts)
    console.print(f"\nSound, A and {letter}: first differs at {_shown(stages)}")
    table = _table("file", "first stage", "difference", "most at")
    for each in sorted(differences, key=_loudness, reverse=True)[:LISTED]:
        where = "" if each.loudest_s is None else f"{each.loudest_s:.0f} s"
        table.add_row(_shown(each.alias), _shown(each.stage or ""), _level(each.db), where)
    console.print(table)
    if len(differences) > LISTED:
        console.print(f"{len(differences) - LISTED} more files differ less.")


def _loudness(each: SoundDifference) -> float:
    """What is not kept may be anything, so it stands first."""
    return math.inf if each.db is None else each.db


def _shown(text: str) -> str:
    """A text of a record: without markup, and without what terminals obey."""
    return escape(one_line(masked(text), 2000))


def _level(db: float | None) -> str:
    return "not kept" if db is None else "same" if db == -math.inf else f"{db:.1f} dB"


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"#{index + 1}"


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
