"""A reproduction before its start: the run, its config of now, and everything that differs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from speechclean.experiment.config.recorded import recorded_config
from speechclean.records import kept_files, provenance, run_folder
from speechclean.records.tracking import Record, Records

from . import locate_inputs, rerun_config
from .differences import environment_differences, weights_differences
from .rerun_config import ReproductionError

#: What a reproduction needs of a run, and what each file tells.
NEEDED = {
    run_folder.CONFIG: "its config",
    run_folder.INPUTS: "the table of its inputs",
    run_folder.PROVENANCE: "code, versions and hashes",
    run_folder.METRICS_JSON: "its metrics, which are written at its end",
}


@dataclass(frozen=True)
class Plan:
    """A reproduction that is ready to start.

    cfg: the run's config, with the inputs, weights and folders of now
    inputs: where the inputs are now
    folder: where the repetition's files go
    threads: of the CPU
    differences: what is other than then, a line each
    then: the run's provenance.json
    """

    record: Record
    cfg: DictConfig
    inputs: locate_inputs.LocatedInputs
    folder: Path
    threads: int
    differences: list[str]
    then: Mapping[str, Any] = field(repr=False)


def make_plan(
    records: Records,
    run: str,
    folder: Path,
    changes: Sequence[str] = (),
    inputs_root: Path | None = None,
    weights_root: Path | None = None,
    threads: int | None = None,
) -> Plan:
    """Fetch a run and find out what differs now.

    Raises `ReproductionError` with everything that is missing, `RecordError` for a record that no
    run of speechclean wrote.

    changes: overrides, `key=value`, for what shall differ on purpose
    inputs_root, weights_root: where inputs and weights are now
    threads: of the CPU, None for as many as then
    """
    record = records.get(run)
    if missing := _missing_from(record):
        because = f" ({record.failure})" if record.failure else ""
        raise ReproductionError(
            f"{record.name} ({record.id}) is {record.status}{because} "
            "and cannot be reproduced; it lacks:\n" + "\n".join(f"- {each}" for each in missing)
        )
    then, rows = kept_files.provenance(record), kept_files.inputs(record)
    plain = recorded_config(record)
    inputs = locate_inputs.locate(rows, inputs_root)
    if inputs.missing:
        raise ReproductionError(
            f"{record.name} ({record.id}) cannot be run again from here:\n"
            + "\n".join(f"- {each}" for each in inputs.missing)
        )
    config = OmegaConf.create(plain)
    changed = rerun_config.apply_changes(config, changes)
    threads = threads or int(os.environ.get("OMP_NUM_THREADS") or then["cpu"]["threads"])
    rerun_config.redirect(config, record, records, folder)
    rerun_config.relocate_weights(config, then.get("working_folder"), weights_root)
    now = provenance.collect({}, {}, 0)
    now["cpu"]["threads"] = threads
    differences = [
        *changed,
        *environment_differences(then, now),
        *inputs.differences,
        *weights_differences(config, then),
    ]
    return Plan(record, config, inputs, folder, threads, differences, then)


def _missing_from(record: Record) -> list[str]:
    """What a run did not leave behind and a reproduction needs."""
    kept = record.artifacts()
    missing = [f"{name}: {meaning}" for name, meaning in NEEDED.items() if name not in kept]
    if record.status == "FINISHED":
        return missing
    if not missing:
        missing.append("its end: what it left may be a part; start it anew")
    if run_folder.INPUTS in kept:
        missing += _missing_cleaned_files(record)
    return missing


def _missing_cleaned_files(record: Record) -> list[str]:
    rows = kept_files.inputs(record)
    cleaned = record.artifacts("cleaned") if "cleaned" in record.artifacts() else set()
    kept = {Path(path).stem for path in cleaned}
    lost = [row["alias"] for row in rows if row["alias"] not in kept]
    if not lost:
        return []
    more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
    return [f"cleaned files: {len(lost)} of {len(rows)} ({', '.join(lost[:5])}{more})"]
