"""`python -m speechclean.compare RUN RUN ...`: what tells recorded runs apart."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from speechclean.records.tracking import Record, Records, TrackingError, quieten
from speechclean.reproduction import comparison

from .arguments import Arguments, UsageError, store_of

USAGE = """\
usage: python -m speechclean.compare RUN RUN ... [tracking.uri=URI]

RUN is the id of a run, the beginning of it, or its name. The first one is what the others are held against."""
#: Files whose sound is listed one by one, those that differ most first.
LISTED = 10


def main() -> None:
    """0: compared; 2: a run is not there, or wrong usage."""
    quieten()
    console = Console(highlight=False)
    try:
        arguments = Arguments.parse(sys.argv[1:], {"tracking.uri": ""}, (), USAGE)
        if len(arguments.rest) < 2:
            raise UsageError(USAGE)
        records = Records(store_of(arguments.options))
        show([records.get(run) for run in arguments.rest], console)
    except (UsageError, TrackingError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def show(runs: Sequence[Record], console: Console) -> None:
    """Print the comparison of two or more runs."""
    for letter, run in zip(_letters(runs), runs, strict=True):
        console.print(
            f"[bold]{letter}[/] {escape(run.name)} ({run.id}) {run.status}", soft_wrap=True
        )
    _show_configs(runs, console)
    for letter, run in list(zip(_letters(runs), runs, strict=True))[1:]:
        _show_metrics(runs[0], run, letter, console)
        _show_sounds(runs[0], run, letter, console)


def _show_configs(runs: Sequence[Record], console: Console) -> None:
    unlike = comparison.configs(runs)
    if not unlike:
        console.print("\nThe configs are the same.")
        return
    console.print("\nConfig, what differs")
    table = _table("key", *_letters(runs))
    for key, values in unlike.items():
        table.add_row(
            escape(key), *(escape("" if value is None else str(value)) for value in values)
        )
    console.print(table)


def _show_metrics(first: Record, second: Record, letter: str, console: Console) -> None:
    console.print(f"\nMetrics of the cleaned files, A and {letter}")
    table = _table("metric", "A", letter, "change", "95 %", "p", "up", "down", "n")
    for each in comparison.metrics(first, second):
        low, high = each.interval
        interval = "" if math.isnan(low) else f"{low:+.3f} … {high:+.3f}"
        p = "" if each.p is None else f"{each.p:.2g}"
        numbers = (
            f"{each.means[0]:.3f}",
            f"{each.means[1]:.3f}",
            f"{each.change:+.3f}",
            interval,
            p,
        )
        table.add_row(each.metric, *numbers, str(each.higher), str(each.lower), str(each.files))
    console.print(table)
    console.print(
        "Paired by file: Student's t interval of the mean change, Wilcoxon's signed-rank p (six pairs or more)."
    )


def _show_sounds(first: Record, second: Record, letter: str, console: Console) -> None:
    apart = list(comparison.sounds(first, second))
    if not apart:
        console.print(
            "No marks or cleaned files are kept with both: where the sound differs cannot be told."
        )
        return
    stages = ", ".join(
        f"{stage} ({count})" for stage, count in comparison.parted(apart).most_common()
    )
    console.print(f"\nSound, A and {letter}: parts at {stages}")
    table = _table("file", "first stage", "difference", "most at")
    for each in sorted(
        apart, key=lambda each: each.db if each.db is not None else math.inf, reverse=True
    )[:LISTED]:
        level = (
            "not kept"
            if each.db is None
            else "same"
            if each.db == -math.inf
            else f"{each.db:.1f} dB"
        )
        table.add_row(
            escape(each.alias),
            each.stage or "",
            level,
            "" if each.loudest_s is None else f"{each.loudest_s:.0f} s",
        )
    console.print(table)
    if len(apart) > LISTED:
        console.print(f"{len(apart) - LISTED} more files differ less.")


def _letters(runs: Sequence[Record]) -> list[str]:
    return [chr(ord("A") + index) if index < 26 else f"#{index + 1}" for index in range(len(runs))]


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


if __name__ == "__main__":
    main()
