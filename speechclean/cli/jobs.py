"""What the jobs of a sweep came to, whatever process or machine ran them.

A launcher may run a job in another process (joblib) or on another machine (SLURM), and all that
comes back of it is the number that sweepers want. So a job leaves a note in the sweep's folder,
which every job and the command itself see, and a callback of Hydra's reads the notes at the end:
files that failed are the command's exit status, and the rest is a table of the jobs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from speechclean.records.results.headline import Row
from speechclean.records.results.summary_page import markdown
from speechclean.records.run_folder import SUMMARY, write_text
from speechclean.system.atomic_files import written_whole

#: In a sweep's folder: a file per job.
NOTES = ".jobs"

#: Aliases of the files that failed in the runs of this command.
_failed: list[str] = []


def record_failed(aliases: Sequence[str]) -> None:
    """Remember files that failed in a run of this process."""
    _failed.extend(aliases)


def any_failed() -> bool:
    """Whether a file failed in any run of this command."""
    return bool(_failed)


def leave_note(hydra: Any, name: str, headline: Sequence[Row], failed: Sequence[str]) -> None:
    """Note in the sweep's folder what this job came to.

    A job that is run again, after it was preempted, replaces its note.

    hydra: the `hydra` node of the job, in which its number is
    name: of the run; headline: what it came to; failed: aliases of the files that failed
    """
    note = _notes(hydra) / str(hydra.job.num)
    note.parent.mkdir(parents=True, exist_ok=True)
    rows = {row.name: (row.mixture, row.cleaned) for row in headline}
    with written_whole(note) as temporary:
        temporary.write_text(json.dumps({"name": name, "rows": rows, "failed": list(failed)}))


class Jobs(Callback):
    """Hands the notes of a sweep's jobs to the command that started the sweep."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Remove the notes of an earlier sweep in the same folder."""
        shutil.rmtree(_notes(config.hydra), ignore_errors=True)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Read the notes of all jobs, remove them, and print and write the table."""
        folder = _notes(config.hydra)
        found = sorted(folder.glob("[0-9]*"), key=lambda path: int(path.name))
        notes = [json.loads(path.read_text()) for path in found]
        for note in notes:
            record_failed(note["failed"])
        shutil.rmtree(folder, ignore_errors=True)
        if len(notes) > 1:
            table = _table(notes)
            lines = markdown(table[0], table[1:])
            path = write_text("\n".join([*lines, ""]), folder.parent / SUMMARY)
            _print(table, f"Look in {path.parent}: a folder for each, {SUMMARY}")


def _table(notes: Sequence[Any]) -> list[list[str]]:
    """A line of names; what the mixtures are like, if all jobs had the same; and each job."""
    names = [
        name for name in notes[0]["rows"] if any(note["rows"][name][1] != "–" for note in notes)
    ]
    mixtures = [[note["rows"][name][0] for name in names] for note in notes]
    lines = [["", *names, "files failed"]]
    if names and all(each == mixtures[0] for each in mixtures):
        lines.append(["the mixtures", *mixtures[0], ""])
    for note in notes:
        cleaned = [note["rows"][name][1] for name in names]
        lines.append([note["name"], *cleaned, str(len(note["failed"]))])
    return lines


def _print(table: Sequence[Sequence[str]], last: str) -> None:
    console = Console()
    shown = Table()
    for number, name in enumerate(table[0]):
        shown.add_column(name, justify="right" if number else "left")
    for line in table[1:]:
        shown.add_row(*map(escape, line))
    console.print(shown)
    console.print(last, markup=False, highlight=False, soft_wrap=True)


def _notes(hydra: Any) -> Path:
    # A job may run in a folder of its own (hydra.job.chdir).
    return Path(str(hydra.runtime.cwd)) / str(hydra.sweep.dir) / NOTES
