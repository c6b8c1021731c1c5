"""A run's results in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from speechclean.records.file_result import FileResult

from . import verdict
from .summary import Metric, failures, improvement, lines
from .summary_page import CONTENTS, cells

#: So many harmed and failed files are named; the summary names them all.
HARMED_SHOWN, FAILED_SHOWN = 5, 20


def print_table(
    console: Console,
    results: Sequence[FileResult],
    means: Mapping[str, float],
    metrics: Mapping[str, Metric],
    folder: Path,
    run_id: str | None = None,
) -> None:
    """Print one table with the means, then the files that failed, then where to look next."""
    console.print(_table(results, means, metrics))
    if counts := verdict.counts(results):
        counted = ", ".join(f"{count} {word}" for word, count in counts.items())
        console.print(f"Against the mixture: {counted}")
    for result, words in verdict.harmed(results)[:HARMED_SHOWN]:
        _print(console, f"[yellow]{escape(words)}[/] {escape(result.alias)}")
    failed = failures(results)
    for result in failed[:FAILED_SHOWN]:
        # A file name that is not Unicode arrives as surrogates, which a terminal does not take.
        reason = result.reason.encode(errors="backslashreplace").decode()
        _print(console, f"[red]failed[/] {escape(reason)}")
    if len(failed) > FAILED_SHOWN:
        console.print(f"[red]failed[/] {len(failed) - FAILED_SHOWN} more, see summary.md")
    _print(console, f"Look in [bold]{escape(str(folder))}[/]")
    for name, meaning in CONTENTS.items():
        if (folder / name).exists():
            _print(console, f"  {name:<12} {meaning}")
    if run_id:
        beside = "this run beside the others, sounds and pictures too"
        _print(console, f"  {'make ui':<12} {beside} ({run_id})")


def _table(
    results: Sequence[FileResult], means: Mapping[str, float], metrics: Mapping[str, Metric]
) -> Table:
    done = len(results) - len(failures(results))
    table = Table(title=f"{done} of {len(results)} files cleaned", title_justify="left")
    table.add_column("metric")
    for column in ("mixture", "cleaned", "change", "better", "files"):
        table.add_column(column, justify="right")
    for line in lines(results, means, metrics):
        name, unit, *values = cells(line)
        gain = improvement(line.mixture, line.cleaned, line.metric)
        values[2] = f"[{'green' if gain > 0 else 'red'}]{values[2]}[/]" if gain else values[2]
        table.add_row(f"{name} [dim]{escape(unit)}[/dim]", *values)
    return table


def _print(console: Console, text: str) -> None:
    """Print a line that is not wrapped, so that paths can be copied."""
    console.print(text, highlight=False, soft_wrap=True)
