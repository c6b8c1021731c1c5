"""Where drills are done: data sets, commands, and the batch that nothing happened to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.support import batch_folder, batch_inputs
from tests.support.waiting import wait_for


class LeftOut(RuntimeError):  # noqa: N818
    """A drill that cannot be done here."""


@dataclass
class Site:
    """Where drills are done.

    Data sets, the uninterrupted batch's bytes, and what is common to all commands.
    """

    folder: Path
    count: int
    kills: int
    few: int = 60
    arguments: list[str] = field(default_factory=lambda: ["tracking=none", "batch=local"])
    seed: int = 0
    startup_s: float = 8.0
    per_file_s: float = 0.1
    sparse_s: float = batch_inputs.SPARSE_S
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def inputs(self, count: int | None = None) -> tuple[Path, dict[str, str | None]]:
        """A data set of so many files, made once."""
        count = min(count or self.count, self.count)
        folder, known = self.folder / f"in{count}", self.folder / f"in{count}.json"
        if not known.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            known.write_text(json.dumps(batch_inputs.make(folder, count, self.seed, self.sparse_s)))
        return folder, json.loads(known.read_text())

    def command(self, out: Path, inputs: Path, *more: str) -> list[str]:
        line = [
            sys.executable,
            "-m",
            "speechclean",
            *self.arguments,
            "dataset=folder",
            f"dataset.pattern={inputs}",
        ]
        return [*line, f"batch.out={out}", "batch.interval_s=5", *more]

    def start(
        self,
        out: Path,
        inputs: Path,
        *more: str,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> subprocess.Popen[bytes]:
        """A batch in the background; what it says is in `<out>.txt`."""
        with out.with_suffix(".txt").open("ab") as log:
            line = self.command(out, inputs, *more)
            process = subprocess.Popen(
                line,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env={**os.environ, **(env or {})},
                **options,
            )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Kill what a drill that broke off has left at work."""
        for process in self.started:
            if process.poll() is None:
                below = psutil.Process(process.pid).children(recursive=True)
                for one in (process, *below):
                    with suppress(psutil.NoSuchProcess):
                        one.kill()
                process.wait()

    def run(self, out: Path, inputs: Path, *more: str, env: Mapping[str, str] | None = None) -> int:
        """A batch to its end; its exit status."""
        return self.start(out, inputs, *more, env=env).wait(1800)

    def said(self, out: Path) -> str:
        return out.with_suffix(".txt").read_text(errors="replace")

    def reference(self, count: int | None = None) -> dict[str, str]:
        """Hashes of the uninterrupted batch's outputs."""
        inputs, expected = self.inputs(count)
        out = self.folder / f"uninterrupted{len(expected)}"
        if not (out / "summary.md").is_file():
            start = time.monotonic()
            process = self.start(out, inputs)
            wait_for(lambda: len(batch_folder.ledger(out)) > 0, process)
            self.startup_s = time.monotonic() - start
            process.wait()
            self.per_file_s = (time.monotonic() - start - self.startup_s) / len(expected)
        return batch_folder.hashes(out)


def has_entries(out: Path, count: float) -> bool:
    """Whether a batch's ledger has so many."""
    return len(batch_folder.ledger(out)) >= count


def fresh(path: Path) -> Path:
    """The path, with nothing there nor in the text file beside it."""
    for old in (path, path.with_suffix(".txt")):
        shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
    return path
