"""What a batch leaves in its folder besides an ordinary run's tables.

All of it is written anew at every end; it is the ledger that counts.

failed.csv     what failed and why; itself a manifest: dataset=manifest dataset.path=failed.csv
map.csv        which input is which output
inputs.csv     what was read, with hashes
files.json     metrics.csv as MLflow shows tables
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speechclean.records import run_folder
from speechclean.records.file_result import FileResult
from speechclean.stages.types import Track

from .task import Entry


def write_reports(
    tracks: Sequence[Track],
    entries: Mapping[str, Entry],
    results: Sequence[FileResult],
    folder: Path,
) -> list[Path]:
    """failed.csv, inputs.csv and files.json."""
    return [
        _write_failed(tracks, entries, folder),
        _write_inputs(tracks, entries, folder),
        run_folder.write_files_table(results, folder),
    ]


def write_map(tracks: Sequence[Track], output: Mapping[str, Any], folder: Path) -> Path:
    """map.csv: aliases, outputs and inputs of a whole batch, known before any work.

    `output` is that node of its config.
    """
    rows = [
        {
            "alias": track.alias,
            "cleaned": run_folder.cleaned_path(track, output),
            "path": str(track.path.absolute()),
        }
        for track in tracks
    ]
    return run_folder.write_table(("alias", "cleaned", "path"), rows, folder / run_folder.MAP)


def _write_failed(tracks: Sequence[Track], entries: Mapping[str, Entry], folder: Path) -> Path:
    rows = [
        {**run_folder.manifest_row(track), "reason": entries[track.alias].result.reason}
        for track in tracks
        if track.alias in entries and entries[track.alias].result.failed
    ]
    columns = (*run_folder.MANIFEST_COLUMNS, "reason")
    return run_folder.write_table(columns, rows, folder / run_folder.FAILED)


def _write_inputs(tracks: Sequence[Track], entries: Mapping[str, Entry], folder: Path) -> Path:
    known = [(track, entries[track.alias].input) for track in tracks if track.alias in entries]
    rows = [
        {**run_folder.manifest_row(track), "bytes": read.size, "sha256": read.sha256}
        for track, read in known
    ]
    return run_folder.write_table(run_folder.INPUT_COLUMNS, rows, folder / run_folder.INPUTS)
