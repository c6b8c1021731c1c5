"""What a batch leaves for people and for other programs, beside its outputs. All of it is written
anew at every end, whole or
not at all: the ledger is what counts.

metrics.csv, metrics.json, summary.md   as any run's
failed.csv     what failed and why; itself a manifest: dataset=manifest dataset.path=failed.csv
map.csv        which input is which output
inputs.csv     what was read, with hashes
files.json     metrics.csv as MLflow shows tables
marks.json     of the outputs, by which a repetition is judged
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speechclean.experiment.outputs import cleaned_path
from speechclean.experiment.recording import INPUT_COLUMNS, OUTPUT_STAGE
from speechclean.records.results import tables
from speechclean.stages.types import Track
from speechclean.system.atomic_files import csv_text

from .task import FAILED, Entry


def write_all(
    tracks: Sequence[Track],
    entries: Mapping[str, Entry],
    metrics: Mapping[str, Any],
    config: Mapping[str, Any],
    folder: Path,
) -> tuple[list[dict[str, Any]], dict[str, float], list[Path]]:
    """Rows of the files that came to an end, their means, and what was written."""
    rows = [{**entries[track.alias].row} for track in tracks if track.alias in entries]
    means = tables.means(rows, metrics)
    means["files_open"] = float(len(tracks) - len(rows))
    files = tables.write_all(rows, means, metrics, folder, config)
    files += [
        write_failed(tracks, entries, folder),
        write_inputs(tracks, entries, folder),
        write_table(rows, folder),
    ]
    marks = {
        track.alias: {OUTPUT_STAGE: entries[track.alias].mark}
        for track in tracks
        if track.alias in entries and entries[track.alias].mark
    }
    return rows, means, files + ([tables.write_json(marks, folder / "marks.json")] if marks else [])


def write_map(tracks: Sequence[Track], layout: str, folder: Path) -> Path:
    """Aliases, outputs and inputs of a whole batch, known before any work."""
    rows = [
        {"alias": t.alias, "cleaned": cleaned_path(t, layout), "path": str(t.path.absolute())}
        for t in tracks
    ]
    return _write(("alias", "cleaned", "path"), rows, folder / "map.csv")


def write_failed(tracks: Sequence[Track], entries: Mapping[str, Entry], folder: Path) -> Path:
    rows = [
        {**_source(track), "reason": entries[track.alias].reason}
        for track in tracks
        if track.alias in entries and entries[track.alias].status == FAILED
    ]
    return _write(
        ("path", "reference", "transcript", "alias", "reason"), rows, folder / "failed.csv"
    )


def write_inputs(tracks: Sequence[Track], entries: Mapping[str, Entry], folder: Path) -> Path:
    known = [(track, entries[track.alias].input) for track in tracks if track.alias in entries]
    rows = [{**_source(track), "bytes": read.size, "sha256": read.sha256} for track, read in known]
    return _write(INPUT_COLUMNS, rows, folder / "inputs.csv")


def write_table(rows: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """Columns and data, the form in which MLflow keeps tables."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    data = [[row.get(name) for name in columns] for row in rows]
    return tables.write_json({"columns": columns, "data": data}, folder / "files.json")


def _source(track: Track) -> dict[str, Any]:
    reference = str(track.reference_path.absolute()) if track.reference_path else None
    return {
        "path": str(track.path.absolute()),
        "reference": reference,
        "transcript": track.transcript,
        "alias": track.alias,
    }


def _write(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    return tables.write_text(csv_text(columns, rows), path)
