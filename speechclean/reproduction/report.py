"""The verdict on a reproduction, for people: on the terminal, and in two files."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from speechclean.records import run_folder
from speechclean.records.results import summary_page
from speechclean.system.plain_text import one_line

from .equality import BIT_EXACT, DIFFERENT, ONE_LSB, TOLERABLE, FileVerdict
from .outcome import MACHINE, Outcome
from .plan import Plan

COLUMNS = ("file", "verdict", "first stage that differs", "largest step", "difference")
#: Files of the table on the terminal; the report has all.
LISTED = 100


def announce(plan: Plan, differences: Sequence[str], console: Console) -> None:
    """Print which run is reproduced, and what is other than then."""
    name, files = _shown(plan.record.name), len(plan.inputs.rows)
    console.print(f"Reproducing [bold]{name}[/] ({plan.record.id}), {files} files")
    if not differences:
        console.print(
            "  nothing differs: code, packages, machine, inputs, weights and config are those of "
            "then"
        )
    for each in differences:
        console.print(f"  differs  {_shown(each)}")
    for each in plan.inputs.unproven:
        console.print(f"  unproven {_shown(each)}")


def show(plan: Plan, outcome: Outcome, console: Console) -> None:
    """Print the verdict on every file, and on all of them."""
    title = f"Reproduction of {_shown(plan.record.name)}: {outcome.verdict}"
    table = Table(title=title, title_justify="left")
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for file in outcome.files[:LISTED]:
        table.add_row(*(_shown(cell) for cell in _cells(file)))
    console.print(table)
    for file in outcome.files:
        if file.note:
            console.print(f"  {_shown(file.alias)}: {_shown(file.note)}")
        for name, (then, now) in file.moved.items():
            console.print(f"  {_shown(file.alias)}: {_shown(name)} was {then}, is {now}")
    console.print(f"[bold]{outcome.verdict}[/]: {_meaning(outcome)}")
    page = _shown(str(plan.folder / "reproduction.md"))
    console.print(f"The new run is {outcome.run_id}; {page} says more")


def write(plan: Plan, outcome: Outcome) -> Path:
    """Write `reproduction.json` and `reproduction.md` into the plan's folder; the latter's path."""
    content: dict[str, Any] = {
        "reproduces": plan.record.id,
        "run": outcome.run_id,
        "verdict": outcome.verdict,
        "differences": outcome.differences,
        "files": [_without_infinities(dataclasses.asdict(file)) for file in outcome.files],
    }
    run_folder.write_json(content, plan.folder / "reproduction.json")
    return run_folder.write_text(_markdown(plan, outcome), plan.folder / "reproduction.md")


def _markdown(plan: Plan, outcome: Outcome) -> str:
    lines = [
        f"# Reproduction of {plan.record.name}: {outcome.verdict}",
        "",
        f"Run {outcome.run_id} against {plan.record.id}.",
        "",
        "## What differed",
        "",
        *(f"- {each}" for each in outcome.differences or ["nothing"]),
        "",
        "## Files",
        "",
        *summary_page.markdown(COLUMNS, [_cells(file) for file in outcome.files]),
    ]
    stages = dict.fromkeys(stage for file in outcome.files for stage in file.stages)
    if stages:
        body = [
            [file.alias, *(_level(file.stages.get(stage)) for stage in stages)]
            for file in outcome.files
        ]
        lines += ["", "## Stage by stage, in dB relative to what passed", ""]
        lines += summary_page.markdown(["file", *stages], body)
    return "\n".join(lines) + "\n"


def _meaning(outcome: Outcome) -> str:
    """What the verdict says, in a sentence."""
    if outcome.verdict == BIT_EXACT:
        return "every sample of every file is the same, and so are the metrics"
    machine = [each for each in outcome.differences if each.startswith((*MACHINE, "python"))]
    because = f" ({'; '.join(machine)})" if machine else ""
    if outcome.verdict == ONE_LSB:
        return f"no sample differs by more than one step of 16 bits{because}"
    if outcome.verdict == TOLERABLE:
        return f"it differs by less than one hears{because}"
    different = [file.stage for file in outcome.files if file.verdict == DIFFERENT and file.stage]
    first = f", first at the stage {different[0]}" if different else ""
    return f"it did not come out the same{first}"


def _cells(file: FileVerdict) -> tuple[str, ...]:
    """A file's line of the table."""
    step = f"{file.output.lsb:.3g} LSB" if file.output and file.output.lsb else ""
    level = file.output.db if file.output else file.stages.get("output")
    difference = "" if level in (None, -math.inf) else _level(level)
    return (file.alias, file.verdict, file.stage or "", step, difference)


def _shown(text: str) -> str:
    """A text that may come from the record: without markup, and without what terminals obey."""
    return escape(one_line(text, 2000))


def _level(level: float | None) -> str:
    return "" if level is None else "same" if level == -math.inf else f"{level:.0f} dB"


def _without_infinities(value: Any) -> Any:
    """JSON knows no infinity: no difference is null."""
    if isinstance(value, dict):
        return {key: _without_infinities(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
