"""summary.md: a run's results on one Markdown page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speechclean.records import run_folder
from speechclean.records.file_result import FileResult

from . import verdict
from .headline import HEAD, headline
from .summary import Line, Metric, failures, lines, worst

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
#: What there is to look at in a run's folder, and what it is.
CONTENTS = {
    run_folder.REPORT: "everything on one page, with sounds to compare: open it in a browser",
    run_folder.CLEANED: "the cleaned files",
    run_folder.CLIPS: "mixture, cleaned and residual, the same seconds of each: listen here first",
    run_folder.PLOTS: "spectrograms before and after",
    run_folder.METRICS_CSV: "every metric of every file",
    run_folder.HISTOGRAMS: "their distributions",
    run_folder.FAILED: "what failed and why; again with only=failed, or as a data set of its own: "
    "dataset=manifest",
    run_folder.MAP: "which input is which output",
    run_folder.SUMMARY: "this table, the worst files, the config",
}
#: Files that are written after the summary, which names them all the same.
LATER = {
    run_folder.SUMMARY,
    run_folder.REPORT,
    run_folder.CLEANED,
    run_folder.CLIPS,
    run_folder.PLOTS,
}
LATER_IN_BATCHES = {run_folder.SUMMARY, run_folder.HISTOGRAMS, run_folder.FAILED}


def summary_page(
    results: Sequence[FileResult],
    means: Mapping[str, float],
    metrics: Mapping[str, Metric],
    folder: Path,
    config: Mapping[str, Any] | None = None,
    asked: Sequence[str] = (),
) -> str:
    """The headline, means, worst and failed files, where to look, the resolved `config` in brief.

    asked: the metrics that verdicts come of
    """
    failed = failures(results)
    page = [
        f"# {len(results) - len(failed)} of {len(results)} files cleaned",
        "",
        *markdown(HEAD, [row.cells for row in headline(results, metrics)]),
        "",
        *_verdicts(results, asked),
        *_means(lines(results, means, metrics)),
        *_worst(results, metrics),
    ]
    if failed:
        table = [(result.alias, result.reason) for result in failed]
        page += ["## Failed", "", *markdown(("file", "why"), table), ""]
    page += ["## Where to look next", "", *_contents(folder, config), ""]
    if config:
        brief = [f"- {key}: {_brief(value)}" for key, value in config.items() if key in BRIEF]
        page += ["## Config in brief", "", *brief, ""]
    return "\n".join(page)


def cells(line: Line) -> tuple[str, ...]:
    """A line of the means as text: name, unit, mixture, cleaned, change, better, files."""
    return (
        line.name,
        line.metric.unit,
        f"{line.mixture:.2f}",
        f"{line.cleaned:.2f}",
        f"{line.cleaned - line.mixture:+.2f}",
        line.better,
        str(line.files),
    )


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    r"""The lines of a Markdown table; bars and line breaks in cells, which would end it, are kept.

    >>> markdown(("a", "b"), [("1|2", "3")])
    ['| a | b |', '| --- | --- |', '| 1\\|2 | 3 |']
    """
    rows = [
        [str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in (head, *body)
    ]
    return [f"| {' | '.join(row)} |" for row in (rows[0], ["---"] * len(head), *rows[1:])]


def _means(found: Sequence[Line]) -> list[str]:
    if not found:
        return []
    head = ("metric", "unit", "mixture", "cleaned", "change", "better", "files")
    note = "Means over the files that the metric applies to, before and after."
    return ["## All means", "", *markdown(head, [cells(line) for line in found]), "", note, ""]


def _worst(results: Sequence[FileResult], metrics: Mapping[str, Metric]) -> list[str]:
    name, least = worst(results, metrics)
    if not least:
        return []
    unit = metrics[name].unit
    table = [(result.alias, f"{gain:+.2f}") for result, gain in least]
    head = ("file", f"gain in {unit}" if unit else "gain")
    return [f"## Gained least, by {name}", "", *markdown(head, table), ""]


def _verdicts(results: Sequence[FileResult], asked: Sequence[str]) -> list[str]:
    counts = verdict.counts(results)
    if not counts:
        return []
    counted = ", ".join(f"{count} {word}" for word, count in counts.items())
    harmed = [(result.alias, words) for result, words in verdict.harmed(results)]
    table = [*markdown(("file", "verdict"), harmed), ""] if harmed else []
    by = verdict.judged_by(asked, results)
    return ["## Against the mixture", "", f"{counted}. {by}".rstrip(), "", *table]


def _contents(folder: Path, config: Mapping[str, Any] | None) -> list[str]:
    """What is in the folder, and what will be: batches and ordinary runs leave different files."""
    later = LATER_IN_BATCHES if config and config.get("batch") else LATER
    return [
        f"- `{name}`: {meaning}"
        for name, meaning in CONTENTS.items()
        if name in later or (folder / name).exists()
    ]


def _brief(value: Any) -> str:
    """A node of the config: a stage as its class and knobs, several stages as their names."""
    if not isinstance(value, Mapping):
        return f"`{value}`"
    if "_target_" not in value:
        return ", ".join(f"`{name}`" for name in value) or "none"
    knobs = ", ".join(f"{name}={knob}" for name, knob in value.items() if name != "_target_")
    return f"`{str(value['_target_']).rpartition('.')[2]}({knobs})`"
