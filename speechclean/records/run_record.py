"""The record by which a run can be repeated and compared with its repetition.

It is written to the run's folder and to the tracking store. At the start, so that a run that is
killed has it too: the resolved config, the inputs with their hashes, code, environment and weights.
File by file: the cleaned files, up to a budget. At the end: the fingerprints, by file and stage.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechclean.records import provenance, run_folder
from speechclean.records.file_result import TIMING, FileResult
from speechclean.records.tracking import Run
from speechclean.stages.types import Track
from speechclean.system.secrets import masked

log = logging.getLogger(__name__)


@dataclass
class RunRecord:
    """Writes a run's record into `folder` and hands it to `run`.

    Cleaned files are handed over too, up to `outputs_mib` MiB in all.
    """

    run: Run
    folder: Path
    outputs_mib: float
    _kept_bytes: int = 0
    _not_kept: int = 0

    def begin(
        self, config: Mapping[str, Any], inputs: Mapping[str, Path], weights: Mapping[str, Path]
    ) -> None:
        """Record config, code, environment and weights, under a signature.

        config: the resolved one; inputs: paths by alias, of which the signature depends as well;
            weights: files by name
        """
        origin = provenance.collect(inputs, weights, config["seed"])
        signature = provenance.signature(config, inputs, weights)
        named = ", ".join(
            f"{name}={str(file['sha256'])[:12]}" for name, file in origin["weights"].items()
        )
        commit = (origin["code"]["git"] or {}).get("commit", "none")
        self.run.tags({"signature": signature, "git_commit": commit, "weights": named})
        files = [
            run_folder.write_config(config, self.folder),
            run_folder.write_json(
                origin | {"signature": signature}, self.folder / run_folder.PROVENANCE
            ),
            run_folder.write_text(
                provenance.environment_file(), self.folder / run_folder.ENVIRONMENT
            ),
            *self._patch(),
        ]
        if (overrides := self.folder / run_folder.OVERRIDES).is_file():
            files.append(overrides)
        for path in files:
            self.run.file(path)

    def inputs(self, config: Mapping[str, Any], tracks: Sequence[Track]) -> None:
        """Record the inputs, with their hashes; `config` is the resolved one."""
        rows = [_input_row(track) for track in tracks]
        path = self.folder / run_folder.INPUTS
        self.run.file(run_folder.write_table(run_folder.INPUT_COLUMNS, rows, path))
        kind = config["dataset"].get("_target_", "")
        self.run.dataset(
            str(config["dataset"].get("_target_", "inputs")).rpartition(".")[2].lower(),
            provenance.digest([str(row["sha256"]) for row in rows]),
            json.dumps({"manifest": run_folder.INPUTS, "dataset": kind}),
            json.dumps({"files": len(rows), "bytes": sum(row["bytes"] or 0 for row in rows)}),
        )

    def output(self, result: FileResult) -> None:
        """Keep a cleaned file with the run, as long as the budget lasts."""
        path = self.folder / result.output
        if not result.cleaned or not path.is_file():
            return
        if self._kept_bytes + path.stat().st_size <= self.outputs_mib * 2**20:
            self._kept_bytes += path.stat().st_size
            self.run.file(path, str(path.parent.relative_to(self.folder)))
        else:
            self._not_kept += 1

    def end(self, results: Sequence[FileResult]) -> list[Path]:
        """Record the timings as metrics; the file of the fingerprints, if there are any."""
        if self._not_kept and self.outputs_mib:
            log.warning(
                "%d cleaned files are not kept with the run (tracking.outputs_mib)", self._not_kept
            )
        self.run.metrics(timings(results))
        return run_folder.write_fingerprints(results, self.folder)

    def _patch(self) -> list[Path]:
        try:
            patch = provenance.patch()
        except ValueError as error:
            log.warning(
                "the code differs from its commit, but the difference is not kept: %s", error
            )
            return []
        if patch is None:
            return []
        return [run_folder.write_bytes(_masked(patch), self.folder / run_folder.PATCH)]


def timings(results: Sequence[FileResult]) -> dict[str, float]:
    """Seconds spent in each stage, in all of them, and per second of audio."""
    done = [result for result in results if result.cleaned]
    stages = dict.fromkeys(stage for result in done for stage in result.stage_seconds)
    spent = {
        f"time.{stage}{TIMING}": math.fsum(result.stage_seconds.get(stage) or 0 for result in done)
        for stage in stages
    }
    seconds = math.fsum(result.seconds or 0 for result in done)
    total = math.fsum(spent.values())
    if not seconds:
        return spent
    return spent | {
        "time.total_s": total,
        "time.audio_s": seconds,
        "time.per_audio_second": total / seconds,
    }


def _masked(patch: bytes) -> bytes:
    """A patch whose added lines hold no passwords; git finds the others in its own history."""
    lines = patch.splitlines(keepends=True)
    return b"".join(
        masked(line.decode("latin-1")).encode("latin-1") if line.startswith(b"+") else line
        for line in lines
    )


def _input_row(track: Track) -> dict[str, Any]:
    reference = track.reference_path
    return run_folder.manifest_row(track) | {
        "bytes": _size(track.path),
        "sha256": provenance.file_hash(track.path),
        "sha256_of_reference": provenance.file_hash(reference) if reference else None,
    }


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
