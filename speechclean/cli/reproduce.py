"""`python -m speechclean.reproduce run_id=RUN`: run a recorded run again, and say whether it came
out the same.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from speechclean.records import run_folder
from speechclean.records.tracking import Records, TrackingError
from speechclean.reproduction import equality, git_worktree, rerun
from speechclean.reproduction.rerun import CannotReproduce, Plan, Reproduction

from .arguments import Arguments, UsageError, store_of

USAGE = """\
usage: python -m speechclean.reproduce run_id=RUN [option=value ...] [--checkout[=FOLDER]] [--dry-run] [key=value ...]

  run_id=RUN          id of a run, the beginning of it, or its name
  tracking.uri=URI    the store that holds it; default: MLFLOW_TRACKING_URI, else mlflow.db in this folder
  hydra.run.dir=DIR   where the repetition's files go; default outputs/<date>/<time>
  inputs.root=FOLDER  where the inputs are now; they are told by their contents
  weights.root=FOLDER where weights of your own, or published ones, are now
  threads=N           CPU threads; default: OMP_NUM_THREADS, else as many as then
  require=VERDICT     the worst verdict that still holds: bit-exact, 1lsb or tolerance (default)
  tolerance_db=60     how far below the sound a tolerable difference lies
  python=PATH         interpreter of another environment to run in
  --checkout          run the exact code of then, in a git worktree (default: DIR/checkout)
  --dry-run           say what differs, and stop
  key=value           change the run's config on purpose, e.g. batch_size=8

Exit status: 0 it holds, 1 it does not, 2 it cannot be run."""
OPTIONS = {
    "run_id": "", "tracking.uri": "", "hydra.run.dir": "", "inputs.root": "", "weights.root": "", "threads": "",
    "require": "tolerance", "tolerance_db": "60", "python": "",
}  # fmt: skip
REQUIRED = {"bit-exact": 0, "1lsb": 1, "tolerance": 2}


def main() -> None:
    """0: it holds; 1: it does not; 2: it cannot be run, or wrong usage."""
    console = Console(soft_wrap=True, highlight=False)
    try:
        arguments = Arguments.parse(sys.argv[1:], OPTIONS, ("--checkout", "--dry-run"), USAGE)
        holds = _reproduce(arguments, console)
    except (UsageError, CannotReproduce, TrackingError, git_worktree.CheckoutError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    sys.exit(0 if holds else 1)


def _reproduce(arguments: Arguments, console: Console) -> bool:
    options = arguments.options
    if not options["run_id"]:
        raise UsageError(USAGE)
    if options["require"] not in REQUIRED:
        raise UsageError(f"require={options['require']}: one of {', '.join(REQUIRED)}")
    folder = Path(
        options["hydra.run.dir"] or f"outputs/{datetime.now():%Y-%m-%d/%H-%M-%S}"
    ).absolute()
    records = Records(store_of(options))
    root, weights = (
        Path(options[key]).expanduser() if options[key] else None
        for key in ("inputs.root", "weights.root")
    )
    threads = arguments.number("threads")
    plan = rerun.plan(
        records,
        options["run_id"],
        folder,
        arguments.rest,
        root,
        weights,
        int(threads) if threads else None,
    )
    code, differences = None, plan.differences
    if "--checkout" in arguments.flags:
        code = Path(arguments.flags["--checkout"] or folder / "checkout").absolute()
        told = git_worktree.checkout(plan.record, plan.then, code)
        differences = [*told, *(each for each in differences if not each.startswith("code:"))]
        console.print(
            f"The code of then is in {escape(str(code))}; remove it with: git worktree remove --force {code}"
        )
        if any(each.startswith(("package", "python")) for each in differences):
            console.print(
                "Its packages: pip install -r environment.txt in a fresh environment there, then python=PATH"
            )
    _announce(plan, differences, console)
    if "--dry-run" in arguments.flags:
        return True
    again = rerun.run(plan, records, code, options["python"] or None)
    outcome = rerun.compare(plan, again, arguments.number("tolerance_db") or 60.0)
    page = _write(plan, outcome, folder)
    rerun.link(plan, outcome, records, page)
    _print(plan, outcome, console)
    return equality.VERDICTS.index(outcome.verdict) <= REQUIRED[options["require"]]


def _announce(plan: Plan, differences: list[str], console: Console) -> None:
    record = plan.record
    console.print(
        f"Reproducing [bold]{escape(record.name)}[/] ({record.id}), {len(plan.found.rows)} files"
    )
    if not differences:
        console.print(
            "  nothing differs: code, packages, machine, inputs, weights and config are those of then"
        )
    for each in differences:
        console.print(f"  differs  {escape(each)}")


def _print(plan: Plan, outcome: Reproduction, console: Console) -> None:
    table = Table(
        title=f"Reproduction of {escape(plan.record.name)}: {outcome.verdict}", title_justify="left"
    )
    for column in ("file", "verdict", "first stage that differs", "largest step", "difference"):
        table.add_column(column, overflow="fold")
    for file in outcome.files[:100]:
        table.add_row(*(escape(cell) for cell in _cells(file)))
    console.print(table)
    for file in outcome.files:
        if file.note:
            console.print(f"  {escape(file.alias)}: {escape(file.note)}")
        for name, (then, now) in file.moved.items():
            console.print(f"  {escape(file.alias)}: {name} was {then}, is {now}")
    console.print(f"[bold]{outcome.verdict}[/]: {_meaning(outcome)}")
    console.print(
        f"The new run is {outcome.run_id}; {escape(str(plan.folder / 'reproduction.md'))} says more"
    )


def _meaning(outcome: Reproduction) -> str:
    if outcome.verdict == equality.BIT_EXACT:
        return "every sample of every file is the same, and so are the metrics"
    machine = [
        each
        for each in outcome.differences
        if each.startswith(("cpu", "cuda", "platform", "package", "python"))
    ]
    because = f" ({'; '.join(machine)})" if machine else ""
    if outcome.verdict == equality.ONE_LSB:
        return f"no sample differs by more than one step of 16 bits{because}"
    if outcome.verdict == equality.TOLERABLE:
        return f"it differs by less than one hears{because}"
    first = next(
        (file.stage for file in outcome.files if file.verdict == equality.DIFFERENT and file.stage),
        None,
    )
    return f"it did not come out the same{f', first at the stage {first}' if first else ''}"


def _write(plan: Plan, outcome: Reproduction, folder: Path) -> Path:
    record = plan.record
    content: dict[str, Any] = {
        "reproduces": record.id,
        "run": outcome.run_id,
        "verdict": outcome.verdict,
    }
    content |= {
        "differences": outcome.differences,
        "files": [_plain(dataclasses.asdict(file)) for file in outcome.files],
    }
    run_folder.write_json(content, folder / "reproduction.json")
    lines = [
        f"# Reproduction of {record.name}: {outcome.verdict}",
        "",
        f"Run {outcome.run_id} against {record.id}.",
        "",
    ]
    lines += [
        "## What differed",
        "",
        *(f"- {each}" for each in outcome.differences or ["nothing"]),
        "",
        "## Files",
        "",
    ]
    lines += [
        "| file | verdict | first stage that differs | largest step | difference |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(_cells(file))} |" for file in outcome.files]
    stages = dict.fromkeys(stage for file in outcome.files for stage in file.stages)
    if stages:
        lines += [
            "",
            "## Stage by stage, in dB relative to what passed",
            "",
            f"| file | {' | '.join(stages)} |",
        ]
        lines += [f"|---|{'---|' * len(stages)}"]
        lines += [
            f"| {file.alias} | {' | '.join(_db(file.stages.get(stage)) for stage in stages)} |"
            for file in outcome.files
        ]
    return run_folder.write_text("\n".join(lines) + "\n", folder / "reproduction.md")


def _cells(file: equality.FileVerdict) -> tuple[str, ...]:
    step = f"{file.output.lsb:.3g} LSB" if file.output and file.output.lsb else ""
    level = file.output.db if file.output else file.stages.get("output")
    return (
        file.alias,
        file.verdict,
        file.stage or "",
        step,
        "" if level in (None, -math.inf) else _db(level),
    )


def _db(level: float | None) -> str:
    return "" if level is None else "same" if level == -math.inf else f"{level:.0f} dB"


def _plain(value: Any) -> Any:
    """JSON knows no infinity: no difference is null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    main()
