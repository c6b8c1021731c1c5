"""What a run leaves behind so that it can be run again and held against its repetition, in its
folder and in the store.

At the start, so that a run that is killed has it too: `config.yaml` (resolved), `overrides.yaml`,
`inputs.csv` (what was read, with hashes; itself a manifest), `provenance.json`, `environment.txt`
(all packages), `code.patch` (what the commit lacks of the code). File by file: the cleaned ones, up
to a budget. At the end: `marks.json`, by file and stage.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from speechclean.audio.stream import LongAudio
from speechclean.records import provenance
from speechclean.records.fingerprint import Mark, Marker
from speechclean.records.results import tables
from speechclean.records.tracking import Run
from speechclean.stages.types import Track
from speechclean.system.atomic_files import csv_text, written_whole

from .clean import Outcome
from .outputs import cleaned_path

log = logging.getLogger(__name__)

#: Columns of inputs.csv; the first four are those of a manifest.
INPUT_COLUMNS = (
    "path",
    "reference",
    "transcript",
    "alias",
    "bytes",
    "sha256",
    "sha256_of_reference",
)
#: The stage behind the last one: the samples of the written file.
OUTPUT_STAGE = "output"


@dataclass
class Recording:
    """Writes a run's record into `folder` and hands it to `run`; cleaned files up to `outputs_mib`
    in all.
    """

    run: Run
    folder: Path
    outputs_mib: float
    layout: str = "flat"
    _marks: dict[str, dict[str, Any]] = field(default_factory=dict)
    _kept_bytes: int = 0
    _not_kept: int = 0

    def begin(
        self, config: Mapping[str, Any], tracks: Sequence[Track], weights: Mapping[str, Path]
    ) -> None:
        """What is known before any work."""
        self.origin(config, {track.alias: track.path for track in tracks}, weights)
        table, rows = _inputs(tracks)
        self.run.file(tables.write_text(table, self.folder / "inputs.csv"))
        digest = provenance.digest([str(row["sha256"]) for row in rows])
        source = json.dumps(
            {"manifest": "inputs.csv", "dataset": config["dataset"].get("_target_", "")}
        )
        profile = {"files": len(rows), "bytes": sum(row["bytes"] or 0 for row in rows)}
        name = str(config["dataset"].get("_target_", "inputs")).rpartition(".")[2].lower()
        self.run.dataset(name, digest, source, json.dumps(profile))

    def origin(
        self, config: Mapping[str, Any], inputs: Mapping[str, Path], weights: Mapping[str, Path]
    ) -> None:
        """Code, environment, config and weights; the signature is over these and the `inputs`."""
        origin = provenance.collect(inputs, weights, config["seed"])
        signature = provenance.signature(config, inputs, weights)
        named = ", ".join(
            f"{name}={str(file['sha256'])[:12]}" for name, file in origin["weights"].items()
        )
        commit = (origin["code"]["git"] or {}).get("commit", "none")
        self.run.tags({"signature": signature, "git_commit": commit, "weights": named})
        written = tables.write_text(
            yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True),
            self.folder / "config.yaml",
        )
        files = [
            written,
            tables.write_json(origin | {"signature": signature}, self.folder / "provenance.json"),
        ]
        files.append(
            tables.write_text(provenance.environment_file(), self.folder / "environment.txt")
        )
        files += self._patch()
        if (overrides := self.folder / ".hydra" / "overrides.yaml").is_file():
            files.append(overrides)
        for path in files:
            self.run.file(path)

    def output(self, outcome: Outcome, row: Mapping[str, Any]) -> None:
        """One file's marks and, while the budget lasts, the cleaned file."""
        path = self.folder / cleaned_path(outcome.track, self.layout)
        if row["status"] == "failed" or not path.is_file():
            return
        if outcome.marks:
            marks = {**outcome.marks, OUTPUT_STAGE: mark_of(path)}
            self._marks[outcome.track.alias] = {
                stage: mark.to_json() for stage, mark in marks.items()
            }
        if self._kept_bytes + path.stat().st_size <= self.outputs_mib * 2**20:
            self._kept_bytes += path.stat().st_size
            self.run.file(path, str(path.parent.relative_to(self.folder)))
        else:
            self._not_kept += 1

    def end(self, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
        """Files that are complete now; timings go out as metrics."""
        if self._not_kept and self.outputs_mib:
            log.warning(
                "%d cleaned files are not kept with the run (tracking.outputs_mib)", self._not_kept
            )
        self.run.metrics(timings(rows))
        return [tables.write_json(self._marks, self.folder / "marks.json")] if self._marks else []

    def _patch(self) -> list[Path]:
        path = self.folder / "code.patch"
        try:
            patch = provenance.patch()
        except ValueError as error:
            log.warning(
                "the code differs from its commit, but the difference is not kept: %s", error
            )
            return []
        if patch is None:
            return []
        with written_whole(path) as temporary:
            temporary.write_bytes(patch)
        return [path]


def mark_of(path: Path) -> Mark:
    """The mark of a sound file's samples."""
    marker = Marker()
    for chunk in LongAudio.of(path).chunks():
        marker.feed(OUTPUT_STAGE, chunk)
    return marker.marks()[OUTPUT_STAGE]


def timings(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds in each stage, in all of them, and per second of audio."""
    done = [row for row in rows if row["status"] == "cleaned"]
    stages = dict.fromkeys(key for row in done for key in row if key.endswith("_s"))
    spent = {f"time.{key}": math.fsum(row.get(key) or 0 for row in done) for key in stages}
    seconds = math.fsum(row["seconds"] for row in done)
    total = math.fsum(spent.values())
    return spent | (
        {"time.total_s": total, "time.audio_s": seconds, "time.per_audio_second": total / seconds}
        if seconds
        else {}
    )


def _inputs(tracks: Sequence[Track]) -> tuple[str, list[dict[str, Any]]]:
    """inputs.csv as text, and its rows."""
    rows = []
    for track in tracks:
        reference = track.reference_path
        row: dict[str, Any] = {
            "path": _absolute(track.path),
            "reference": _absolute(reference),
            "transcript": track.transcript,
        }
        row |= {
            "alias": track.alias,
            "bytes": _size(track.path),
            "sha256": provenance.file_hash(track.path),
        }
        rows.append(
            row | {"sha256_of_reference": provenance.file_hash(reference) if reference else None}
        )
    return csv_text(INPUT_COLUMNS, rows), rows


def _absolute(path: Path | None) -> str | None:
    return str(path.absolute()) if path else None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
