"""The files in a run's folder: their names, and how they are read and written.

Every file is written atomically. A reader takes the path of the file, which may lie in the folder
or may have been downloaded from the tracking store.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from speechclean.records.file_result import HEAD, FileResult
from speechclean.records.fingerprint import Fingerprint
from speechclean.stages.types import Track
from speechclean.system.atomic_files import written_whole
from speechclean.system.csv_tables import csv_rows, csv_text

#: What a run was made from; written at its start.
CONFIG, PROVENANCE, INPUTS = "config.yaml", "provenance.json", "inputs.csv"
ENVIRONMENT, PATCH = "environment.txt", "code.patch"
#: The command line, as Hydra keeps it below the folder.
OVERRIDES = ".hydra/overrides.yaml"
#: What became of its files.
METRICS_CSV, METRICS_JSON, SUMMARY = "metrics.csv", "metrics.json", "summary.md"
REPORT, FINGERPRINTS = "report.html", "marks.json"
#: Sounds and pictures, in folders.
CLEANED, CLIPS, PLOTS = "cleaned", "ab", "plots"
#: What batches have besides.
LEDGER, FAILED, MAP, FILES_TABLE = "ledger.jsonl", "failed.csv", "map.csv", "files.json"
HISTOGRAMS, WORST, BATCH = "histograms.png", "worst.csv", "batch.json"
LOCK, OWNER = ".lock", ".owner"
DELIVERY_ZIP, DELIVERY_FOLDER = "delivery.zip", "delivery"

#: Columns of a manifest, which `dataset=manifest` reads, and of inputs.csv, which is one.
MANIFEST_COLUMNS = ("path", "reference", "transcript", "alias", "language")
INPUT_COLUMNS = (*MANIFEST_COLUMNS, "bytes", "sha256", "sha256_of_reference")
#: How cleaned files are arranged: all in one folder under their aliases, or in folders like the
#: inputs'.
LAYOUTS = ("flat", "tree")
#: Of cleaned files.
FORMATS = ("wav", "flac")


def cleaned_path(track: Track, output: Mapping[str, Any]) -> str:
    """Where a track's cleaned file lies, relative to the run's folder.

    `output` is that node of a config; one of before may lack `layout` and `format`.
    """
    tree = output.get("layout", LAYOUTS[0]) == "tree"
    return cleaned_file(track.relative if tree and track.relative else track.alias, output)


def output_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a recorded config says of its outputs: nothing where that is none."""
    output = config.get("output")
    return output if isinstance(output, Mapping) else {}


def cleaned_file(name: str, output: Mapping[str, Any]) -> str:
    """Where the cleaned file of a name lies, relative to the run's folder."""
    kind = output.get("format")  # of a record anybody may have written
    return f"{CLEANED}/{name}.{kind if kind in FORMATS else FORMATS[0]}"


def worker_log(number: int) -> str:
    """The log of a batch's worker process."""
    return f"worker-{number}.log"


def manifest_row(track: Track) -> dict[str, Any]:
    """A track as a row of a manifest, with absolute paths."""
    reference = track.reference_path
    return {
        "path": str(track.path.absolute()),
        "reference": str(reference.absolute()) if reference else None,
        "transcript": track.transcript,
        "alias": track.alias,
        "language": track.language,
    }


def write_text(text: str, path: Path) -> Path:
    """Write a text file atomically."""
    with written_whole(path) as temporary:
        # A file name from an old disk that is not Unicode arrives as surrogates.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    return path


def write_bytes(content: bytes, path: Path) -> Path:
    """Write a binary file atomically."""
    with written_whole(path) as temporary:
        temporary.write_bytes(content)
    return path


def write_json(content: Any, path: Path) -> Path:
    """Write readable JSON. Raises `ValueError` for NaN and infinity, which JSON does not know."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    return write_text(text + "\n", path)


def write_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], path: Path) -> Path:
    """Write a csv table with a header; None is an empty cell."""
    return write_text(csv_text(columns, rows), path)


def write_config(config: Mapping[str, Any], folder: Path) -> Path:
    """config.yaml: the run's resolved config."""
    text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    return write_text(text, folder / CONFIG)


def write_metrics_csv(results: Sequence[FileResult], folder: Path) -> Path:
    """metrics.csv: a line per file; None is an empty cell, numbers have their full precision."""
    rows = [result.row() for result in results]
    columns = list(dict.fromkeys([*HEAD, *(name for row in rows for name in row)]))
    return write_table(columns, rows, folder / METRICS_CSV)


def write_files_table(results: Sequence[FileResult], folder: Path) -> Path:
    """files.json: metrics.csv in the form in which MLflow shows tables."""
    rows = [result.row() for result in results]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    data = [[row.get(name) for name in columns] for row in rows]
    return write_json({"columns": columns, "data": data}, folder / FILES_TABLE)


def read_results(metrics_json: Path) -> dict[str, FileResult]:
    """The results that metrics.json holds, by alias."""
    rows = json.loads(metrics_json.read_text())["rows"]
    return {row["alias"]: FileResult.from_row(row) for row in rows}


def write_fingerprints(results: Iterable[FileResult], folder: Path) -> list[Path]:
    """marks.json: fingerprints by alias and stage; no file if there are none."""
    found = {
        result.alias: {stage: one.to_json() for stage, one in result.fingerprints.items()}
        for result in results
        if result.fingerprints
    }
    return [write_json(found, folder / FINGERPRINTS)] if found else []


def read_fingerprints(path: Path | None) -> dict[str, dict[str, Fingerprint]]:
    """Fingerprints by alias and stage; {} if there is no such file."""
    if path is None or not path.is_file():
        return {}
    return {
        alias: {stage: Fingerprint.from_json(one) for stage, one in stages.items()}
        for alias, stages in json.loads(path.read_text()).items()
    }


def read_inputs(inputs_csv: Path) -> list[dict[str, str]]:
    """The rows of inputs.csv."""
    return csv_rows(inputs_csv)
