"""The files that a recorded run keeps, read as if anybody had written them.

Whoever can write to a store can put anything under these names. Each is held against the form that
a run gives it, before anything is done with it; `RecordError` names the run, the file and what is
wrong with it. What a config may name is a matter of `experiment.config.recorded`.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from speechclean.records import run_folder
from speechclean.records.file_result import FileResult
from speechclean.records.fingerprint import Fingerprint
from speechclean.records.forms import Each, Maybe, plain_yaml, require
from speechclean.records.tracking import Record
from speechclean.records.tracking.address import RecordError
from speechclean.system.plain_text import one_line

Content = TypeVar("Content")

#: What provenance.json says, as far as anybody asks; `records.provenance.collect` writes it.
_PROVENANCE = {
    "code": {"sha256": str, "git": Maybe({"commit": str, "dirty": Maybe(bool)})},
    "packages": Each(Maybe(str)),
    "working_folder": Maybe(str),
    "python": str,
    "platform": str,
    "cpu": {"threads": int, "model": Maybe(str), "capability": Maybe(str)},
    "cuda": Maybe({}),
    "weights": Each({"sha256": Maybe(str)}),
}
_RESULT = {"alias": str, "status": str, "reason": Maybe(str), "seconds": Maybe(float)}
#: The most threads that a run may have had; more would be asked of this machine.
MOST_THREADS = 4096


def config(record: Record) -> dict[str, Any]:
    """The run's resolved config, as plain values."""
    return _read(record, run_folder.CONFIG, plain_yaml)


def provenance(record: Record) -> dict[str, Any]:
    """What the run was made from and with."""
    return _read(record, run_folder.PROVENANCE, _provenance)


def inputs(record: Record) -> list[dict[str, str]]:
    """The rows of its inputs."""
    return _read(record, run_folder.INPUTS, input_rows)


def results(record: Record) -> dict[str, FileResult]:
    """What became of its files, by alias; {} if that is not kept."""
    kept = record.artifact(run_folder.METRICS_JSON) is not None
    return _read(record, run_folder.METRICS_JSON, _results) if kept else {}


def fingerprints(record: Record) -> dict[str, dict[str, Fingerprint]]:
    """Fingerprints by alias and stage; {} if there are none."""
    kept = record.artifact(run_folder.FINGERPRINTS) is not None
    return _read(record, run_folder.FINGERPRINTS, run_folder.read_fingerprints) if kept else {}


def input_rows(table: Path) -> list[dict[str, str]]:
    """The rows of an inputs.csv. Raises `ValueError` for what no run writes there."""
    # A cell that a row lacks is an empty one.
    read = run_folder.read_inputs(table)
    rows = [{name: cell or "" for name, cell in row.items()} for row in read]
    for line, row in enumerate(rows, start=2):
        if None in row:
            raise ValueError(f"line {line} has more cells than the header")
        require(row, {"path": str, "reference": str, "alias": str}, f"line {line}")
        if not is_file_name(row["alias"]):
            raise ValueError(f"line {line}: {one_line(row['alias'], 60)!r} is no name for a file")
        for column in ("sha256", "sha256_of_reference"):
            if not re.fullmatch(r"([0-9a-f]{64})?", row.get(column, "-")):
                raise ValueError(f"line {line}: {column} is no sha256 in hex")
    return rows


def is_file_name(name: str) -> bool:
    """Whether an alias leads nowhere but to a file in the folder where it belongs.

    >>> is_file_name("a__b"), is_file_name("../b"), is_file_name("")
    (True, False, False)
    """
    return name.isprintable() and name.strip(". ") != "" and not re.search(r"[/\\]", name)


def _read(record: Record, name: str, reader: Callable[[Path], Content]) -> Content:
    """One file of a run. Raises `RecordError` where it was not kept, or has another form."""
    path = record.artifact(name)
    if path is None:
        raise RecordError(f"{record.name} ({record.id}) keeps no {name}")
    try:
        return reader(path)
    # These are what code that expects another form raises.
    except (
        *(ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError),
        *(OSError, csv.Error),
    ) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise RecordError(
            f"{record.name} ({record.id}): its {name} is not what a run writes "
            f"({one_line(missing)}); it is damaged, or somebody else wrote it. Nothing was done"
        ) from error


def _provenance(path: Path) -> dict[str, Any]:
    found: Any = json.loads(path.read_text(encoding="utf-8"))
    require(found, _PROVENANCE, "provenance.json")
    if not 0 < found["cpu"]["threads"] <= MOST_THREADS:
        raise ValueError(f"cpu.threads={found['cpu']['threads']} is no number of threads")
    return dict(found)


def _results(path: Path) -> dict[str, FileResult]:
    read = run_folder.read_results(path)
    for alias, result in read.items():
        require(result.row(), _RESULT, one_line(alias, 60))
        numbers: Mapping[str, Any] = {**result.measures, **result.stage_seconds}
        require(numbers, Each(Maybe(float)), one_line(alias, 60))
    return read
