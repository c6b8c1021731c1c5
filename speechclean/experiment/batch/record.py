"""A batch in the tracking store: one run per session, with distributions instead of each file."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speechclean.records import provenance, run_folder
from speechclean.records.class_names import with_first
from speechclean.records.file_result import FileResult
from speechclean.records.results import histograms
from speechclean.records.results.summary import worst
from speechclean.records.tracking import Run
from speechclean.system.atomic_files import json_object

from .plan import Identity

#: The tag under which MLflow looks for tables, and the tags by which the sessions of one batch are
#: found.
TABLES_TAG, BATCH_TAG, CONTINUES_TAG = "mlflow.loggedArtifacts", "batch", "batch.continues"
#: So many of the files that gained least are named with the run.
WORST = 20


def identity(config: Mapping[str, Any], weights: Mapping[str, Path]) -> Identity:
    """What a file must have been cleaned by to count as done.

    All that changes its samples, and what its result says beside them. Where the output belongs
    counts too: `plan` looks for it there.
    """
    listening = with_first({key: config[key] for key in provenance.LISTENING})
    both = json.dumps(
        [provenance.signature(config, {}, {}), listening], sort_keys=True, default=str
    )
    hashes = [f"{name}={provenance.file_hash(path)}" for name, path in sorted(weights.items())]
    return Identity(provenance.digest([both])[:32], provenance.digest(hashes)[:32])


def link_sessions(run: Run, folder: Path) -> None:
    """Tag a run with its batch and with the run of the session before; batch.json holds both."""
    before = json_object(folder / run_folder.BATCH)
    batch = before.get("batch") or uuid.uuid4().hex
    run.tags({BATCH_TAG: batch} | ({CONTINUES_TAG: before["run"]} if before.get("run") else {}))
    run_folder.write_json({"batch": batch, "run": run.id}, folder / run_folder.BATCH)


def record_end(
    run: Run, results: Sequence[FileResult], metrics: Mapping[str, Any], folder: Path
) -> None:
    """Record distributions, the worst files and the inputs, over all sessions of the batch."""
    run.metrics(histograms.percentiles(results, metrics))
    name, least = worst(results, metrics, WORST)
    if least:
        rows = [{"alias": one.alias, "path": one.path, "gain": gain} for one, gain in least]
        columns = ("alias", "path", "gain")
        run.file(run_folder.write_table(columns, rows, folder / run_folder.WORST))
        run.tags({"worst_by": name})
    path = folder / run_folder.HISTOGRAMS
    if picture := histograms.write_histograms(results, metrics, path):
        run.file(picture)
    run.tags({TABLES_TAG: json.dumps([{"path": run_folder.FILES_TABLE, "type": "table"}])})
    inputs = run_folder.read_inputs(folder / run_folder.INPUTS)
    run.dataset(
        "batch",
        provenance.digest([str(row.get("sha256")) for row in inputs]),
        json.dumps({"manifest": run_folder.INPUTS}),
        json.dumps({"files": len(inputs), "seconds": sum(one.seconds or 0 for one in results)}),
    )
