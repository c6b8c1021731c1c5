"""A batch's one run in the tracking store: aggregates, distributions, worst files, failures, and
one table of all files.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speechclean.experiment.recording import Recording, timings
from speechclean.records import provenance
from speechclean.records.class_names import with_first
from speechclean.records.results import histograms, tables, verdict
from speechclean.records.results.summary import worst
from speechclean.records.tracking import NOTE_TAG, Run
from speechclean.system.atomic_files import csv_rows, csv_text, json_object

from .plan import Identity

#: The tag under which MLflow looks for tables, and the tags by which the sessions of one batch are
#: found.
TABLES_TAG, BATCH_TAG, CONTINUES_TAG = "mlflow.loggedArtifacts", "batch", "batch.continues"
#: Which batch a folder holds, and its last run.
NAME = "batch.json"
#: So many of the files that gained least are named with the run.
WORST = 20


def identity(config: Mapping[str, Any], weights: Mapping[str, Path]) -> Identity:
    """By what a file is known to be finished: all that changes its samples, and what its row says
    beside them.

    The place of the output counts by being looked for there (`plan`).
    """
    listening = with_first({key: config[key] for key in provenance.LISTENING})
    both = json.dumps(
        [provenance.signature(config, {}, {}), listening], sort_keys=True, default=str
    )
    hashes = [f"{name}={provenance.file_hash(path)}" for name, path in sorted(weights.items())]
    return Identity(provenance.digest([both])[:32], provenance.digest(hashes)[:32])


def begin(run: Run, config: Mapping[str, Any], weights: Mapping[str, Path], folder: Path) -> None:
    """What is known before any work."""
    Recording(run, folder, 0).origin(config, {}, weights)
    before = json_object(folder / NAME)
    batch = before.get("batch") or uuid.uuid4().hex
    run.tags({BATCH_TAG: batch} | ({CONTINUES_TAG: before["run"]} if before.get("run") else {}))
    tables.write_json({"batch": batch, "run": run.id}, folder / NAME)


def end(
    run: Run,
    rows: Sequence[Mapping[str, Any]],
    means: Mapping[str, float],
    metrics: Mapping[str, Any],
    files: Sequence[Path],
    folder: Path,
) -> None:
    """What came of it, of all its sessions."""
    counted = {
        f"files_{word.replace(' ', '_')}": float(number)
        for word, number in verdict.counts(rows).items()
    }
    run.metrics({**means, **counted, **histograms.percentiles(rows, metrics), **timings(rows)})
    name, least = worst(rows, metrics, WORST)
    if least:
        listed = [{"alias": row["alias"], "path": row["path"], "gain": gain} for row, gain in least]
        run.file(
            tables.write_text(csv_text(("alias", "path", "gain"), listed), folder / "worst.csv")
        )
        run.tags({"worst_by": name})
    if picture := histograms.write_histograms(rows, metrics, folder / "histograms.png"):
        run.file(picture)
    for path in files:
        run.file(path)
    known = [{"path": "files.json", "type": "table"}]
    run.tags({TABLES_TAG: json.dumps(known), NOTE_TAG: (folder / "summary.md").read_text()})
    hashes = [str(row.get("sha256")) for row in csv_rows(folder / "inputs.csv")]
    profile = {"files": len(hashes), "seconds": sum(row.get("seconds") or 0 for row in rows)}
    run.dataset(
        "batch",
        provenance.digest(hashes),
        json.dumps({"manifest": "inputs.csv"}),
        json.dumps(profile),
    )
