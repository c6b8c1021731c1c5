"""A run's results in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

from speechclean.records.file_result import FileResult

from . import verdict
from .headline import HEAD, headline
from .summary import Metric, failures
from .summary_page import CONTENTS

#: So many harmed and failed files are named; the summary names them all.
HARMED_SHOWN, FAILED_SHOWN = 5, 20
#: How the headline's columns are aligned.
SIDES: tuple[JustifyMethod, ...] = ("left", "right", "right", "right", "left")


def print_table(
    console: Console,
    results: Sequence[FileResult],
    metrics: Mapping[str, Metric],
    folder: Path,
    pages: str = "",
    asked: Sequence[str] = (),
) -> None:
    """Print the headline, then the verdicts, the files that failed, and where to look next.

    pages: the address or command that shows the store's runs; asked: the metrics that verdicts
        come of
    """
    console.print(_table(results, metrics))
    if counts := verdict.counts(results):
        counted = ", ".join(f"{count} {word}" for word, count in counts.items())
        console.print(f"Against the mixture: {counted}")
        if by := verdict.judged_by(asked, results):
            console.print(f"[dim]{escape(by)}[/]", highlight=False)
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
    if pages:
        _print(console, "This run beside the others, with sounds and pictures:")
        _print(console, f"  {escape(pages)}")


def _table(results: Sequence[FileResult], metrics: Mapping[str, Metric]) -> Table:
    done = len(results) - len(failures(results))
    table = Table(title=f"{done} of {len(results)} files cleaned", title_justify="left")
    for column, side in zip(HEAD, SIDES, strict=True):
        table.add_column(column, justify=side, no_wrap=column != HEAD[-1])
    for row in headline(results, metrics):
        *cells, source = (escape(cell) for cell in row.cells)
        if row.gain:
            cells[-1] = f"[{'green' if row.gain > 0 else 'red'}]{cells[-1]}[/]"
        table.add_row(*cells, f"[dim]{source}[/]")
    return table


def _print(console: Console, text: str) -> None:
    """Print a line that is not wrapped, so that paths can be copied."""
    console.print(text, highlight=False, soft_wrap=True)
