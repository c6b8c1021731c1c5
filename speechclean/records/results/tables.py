"""Rows in, files out: metrics.csv, metrics.json, summary.md and the table in the terminal (`scores`
tells what a row is).

Every file is written whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from speechclean.system.atomic_files import csv_text, written_whole

from . import verdict
from .summary import Line, Metric, Row, failures, improvement, lines, means, worst

__all__ = [
    "markdown",
    "means",
    "print_table",
    "write_all",
    "write_json",
    "write_metrics_csv",
    "write_metrics_json",
    "write_summary",
    "write_text",
]

#: The columns that come first, in this order; metrics and stage timings follow as they come.
HEAD = ("alias", "path", "status", "reason", "seconds", "sample_rate", "channels")
#: What the summary says of the config; all of it is in config.yaml.
BRIEF = (
    "name",
    "dataset",
    "separators",
    "fusion",
    "enhancement",
    "postprocess",
    "shifts",
    "overlap",
    "seed",
)
#: What lies in the output folder, said at the end of a run.
PLACES = {
    "report.html": "everything on one page, with sounds to compare: open it in a browser",
    "cleaned": "the cleaned files",
    "ab": "mixture, cleaned and residual, the same seconds of each: listen here first",
    "plots": "spectrograms before and after",
    "metrics.csv": "every metric of every file",
    "histograms.png": "their distributions",
    "failed.csv": "what failed and why; again with only=failed, or as a data set of its own: dataset=manifest",
    "map.csv": "which input is which output",
    "summary.md": "this table, the worst files, the config",
}


def write_all(
    rows: Sequence[Row],
    means: Mapping[str, float],
    metrics: Mapping[str, Metric],
    folder: Path,
    config: Mapping[str, Any] | None = None,
) -> list[Path]:
    """metrics.csv, metrics.json and summary.md in `folder`; `config` is the resolved one, for the
    summary.
    """
    return [
        write_metrics_csv(rows, folder / "metrics.csv"),
        write_metrics_json(rows, means, metrics, folder / "metrics.json"),
        write_summary(rows, means, metrics, folder / "summary.md", config),
    ]


def write_metrics_csv(rows: Sequence[Row], path: Path) -> Path:
    """A line per file; None is an empty cell, numbers have their full precision."""
    columns = list(dict.fromkeys([*HEAD, *(name for row in rows for name in row)]))
    return write_text(csv_text(columns, rows), path)


def write_metrics_json(
    rows: Sequence[Row], means: Mapping[str, float], metrics: Mapping[str, Metric], path: Path
) -> Path:
    """`means`, the number of `files` under each, `units`, `higher_is_better`, and all `rows`."""
    content = {
        "means": dict(means),
        "files": {line.name: line.files for line in lines(rows, means, metrics)},
        "units": {name: metric.unit for name, metric in metrics.items()},
        "higher_is_better": {name: metric.higher_is_better for name, metric in metrics.items()},
        "rows": [dict(row) for row in rows],
    }
    return write_json(content, path)


def write_summary(
    rows: Sequence[Row],
    means: Mapping[str, float],
    metrics: Mapping[str, Metric],
    path: Path,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """The run on one Markdown page: means, worst files, failed files, where to look next, the
    config in brief.
    """
    failed = failures(rows)
    page = [f"# {len(rows) - len(failed)} of {len(rows)} files cleaned", ""]
    table = [_cells(line) for line in lines(rows, means, metrics)]
    if table:
        page += [
            *markdown(("metric", "unit", "mixture", "cleaned", "change", "better", "files"), table),
            "",
        ]
        page += ["Means over the files that the metric applies to, before and after.", ""]
    name, least = worst(rows, metrics)
    if least:
        unit = metrics[name].unit
        table = [(row["alias"], f"{gain:+.2f}") for row, gain in least]
        page += [
            f"## Gained least, by {name}",
            "",
            *markdown(("file", f"gain in {unit}" if unit else "gain"), table),
            "",
        ]
    if judged := verdict.counts(rows):
        page += [
            "## Against the mixture",
            "",
            ", ".join(f"{count} {word}" for word, count in judged.items()) + ".",
            "",
        ]
        table = [(row["alias"], row["verdict"]) for row in verdict.harmed(rows)]
        page += [*markdown(("file", "verdict"), table), ""] if table else []
    if failed:
        table = [(row["alias"], str(row["reason"])) for row in failed]
        page += ["## Failed", "", *markdown(("file", "why"), table), ""]
    page += ["## Where to look next", "", *_places(path.parent, config), ""]
    if config:
        page += [
            "## Config in brief",
            "",
            *(f"- {key}: {_brief(value)}" for key, value in config.items() if key in BRIEF),
            "",
        ]
    return write_text("\n".join(page), path)


def _places(folder: Path, config: Mapping[str, Any] | None) -> list[str]:
    """What there is to look at; a batch and an ordinary run leave different things, some of them
    after this page is written.
    """
    batch = bool(config and config.get("batch"))
    late = (
        {"summary.md", "histograms.png", "failed.csv"}
        if batch
        else {"summary.md", "report.html", "cleaned", "ab", "plots"}
    )
    return [
        f"- `{place}`: {meaning}"
        for place, meaning in PLACES.items()
        if place in late or (folder / place).exists()
    ]


def write_json(content: Any, path: Path) -> Path:
    """Readable JSON; NaN and infinity, which are none, raise `ValueError`."""
    return write_text(
        json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", path
    )


def write_text(text: str, path: Path) -> Path:
    """Write a text file whole or not at all."""
    with written_whole(path) as temporary:
        # A file name that is no unicode (from an old disk) arrives as surrogates; it must not cost
        # the report.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    return path


def print_table(
    console: Console,
    rows: Sequence[Row],
    means: Mapping[str, float],
    metrics: Mapping[str, Metric],
    folder: Path,
    run_id: str | None = None,
) -> None:
    """One table with the means, then the files that failed, then where to look next."""
    failed = failures(rows)
    table = Table(
        title=f"{len(rows) - len(failed)} of {len(rows)} files cleaned", title_justify="left"
    )
    table.add_column("metric")
    for column in ("mixture", "cleaned", "change", "better", "files"):
        table.add_column(column, justify="right")
    for line in lines(rows, means, metrics):
        name, unit, *values = _cells(line)
        gain = improvement(line.mixture, line.cleaned, line.metric)
        values[2] = f"[{'green' if gain > 0 else 'red'}]{values[2]}[/]" if gain else values[2]
        table.add_row(f"{name} [dim]{escape(unit)}[/dim]", *values)
    console.print(table)
    if judged := verdict.counts(rows):
        console.print(
            "Against the mixture: " + ", ".join(f"{count} {word}" for word, count in judged.items())
        )
    for row in verdict.harmed(rows)[:5]:
        console.print(
            f"[yellow]{escape(row['verdict'])}[/] {escape(str(row['alias']))}",
            highlight=False,
            soft_wrap=True,
        )
    for row in failed[:20]:
        reason = str(row["reason"]).encode(errors="backslashreplace").decode()  # as in `write_text`
        console.print(f"[red]failed[/] {escape(reason)}", highlight=False, soft_wrap=True)
    if len(failed) > 20:
        console.print(f"[red]failed[/] {len(failed) - 20} more, see summary.md")
    there = [(place, meaning) for place, meaning in PLACES.items() if (folder / place).exists()]
    console.print(f"Look in [bold]{escape(str(folder))}[/]", highlight=False, soft_wrap=True)
    for place, meaning in there:
        console.print(f"  {place:<12} {meaning}", highlight=False, soft_wrap=True)
    if run_id:
        console.print(
            f"  {'make ui':<12} this run beside the others, sounds and pictures too ({run_id})",
            highlight=False,
            soft_wrap=True,
        )


def _cells(line: Line) -> tuple[str, ...]:
    change = f"{line.cleaned - line.mixture:+.2f}"
    return (
        line.name,
        line.metric.unit,
        f"{line.mixture:.2f}",
        f"{line.cleaned:.2f}",
        change,
        line.better,
        str(line.files),
    )


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """A table; bars and line breaks in cells would end it early."""
    rows = [
        [str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in (head, *body)
    ]
    return [f"| {' | '.join(row)} |" for row in (rows[0], ["---"] * len(head), *rows[1:])]


def _brief(value: Any) -> str:
    """A node of the config in a few words: a stage by its class and knobs, several stages by their
    names.
    """
    if not isinstance(value, Mapping):
        return f"`{value}`"
    if "_target_" not in value:
        return ", ".join(f"`{name}`" for name in value) or "none"
    knobs = ", ".join(f"{name}={knob}" for name, knob in value.items() if name != "_target_")
    return f"`{str(value['_target_']).rpartition('.')[2]}({knobs})`"
