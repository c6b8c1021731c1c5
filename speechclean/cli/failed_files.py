"""Files that failed in the jobs of a sweep, whatever process or machine ran them.

A launcher may run a job in another process (joblib) or on another machine (SLURM), and all that
comes back of it is the number that sweepers want. So a job leaves a note in the sweep's folder,
which every job and the command itself see, and a callback of Hydra's reads the notes at the end.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from speechclean.system.atomic_files import written_whole

#: In a sweep's folder: a file per job that had files which failed.
NOTES = ".failed_files"

#: Aliases of the files that failed in the runs of this command.
_failed: list[str] = []


def record(aliases: Sequence[str]) -> None:
    """Remember files that failed in a run of this process."""
    _failed.extend(aliases)


def any_failed() -> bool:
    """Whether a file failed in any run of this command."""
    return bool(_failed)


def leave_note(hydra: Any, aliases: Sequence[str]) -> None:
    """Note in the sweep's folder which files failed in this job.

    A job that is run again, after it was preempted, replaces its note.

    hydra: the `hydra` node of the job, in which its number is
    """
    note = _notes(hydra) / str(hydra.job.num)
    if not aliases:
        note.unlink(missing_ok=True)
        return
    note.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(note) as temporary:
        temporary.write_text(json.dumps(list(aliases)))


class FailedFiles(Callback):
    """Hands the notes of a sweep's jobs to the command that started the sweep."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Remove the notes of an earlier sweep in the same folder."""
        shutil.rmtree(_notes(config.hydra), ignore_errors=True)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Read the notes of all jobs, and remove them."""
        folder = _notes(config.hydra)
        for note in folder.glob("[0-9]*"):
            record(json.loads(note.read_text()))
        shutil.rmtree(folder, ignore_errors=True)


def _notes(hydra: Any) -> Path:
    # A job may run in a folder of its own (hydra.job.chdir).
    return Path(str(hydra.runtime.cwd)) / str(hydra.sweep.dir) / NOTES
