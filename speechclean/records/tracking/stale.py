"""Runs whose process died: found by a lock that nobody holds any more, and marked as FAILED."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from speechclean.system.liveness import claim_if_dead, is_lock_name
from speechclean.system.plain_text import one_line

from .run import FAILURE_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

#: The name of the run's lock file.
LOCK_TAG = "speechclean.lock"


def fail_dead_runs(client: MlflowClient, experiment_id: str, running: Path) -> None:
    """Mark as FAILED what a kill -9, a crash of the interpreter or a power cut left RUNNING."""
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'"):
        lock = run.data.tags.get(LOCK_TAG)
        if not is_lock_name(lock):  # another tool's run, or one that names a file of somebody's
            continue
        with claim_if_dead(running / lock) as dead:
            # It may have ended by itself between the search and the claim.
            if dead and client.get_run(run.info.run_id).info.status == "RUNNING":
                client.set_terminated(run.info.run_id, "FAILED")
                client.set_tag(
                    run.info.run_id,
                    FAILURE_TAG,
                    "its process ended without a word (killed, or no power)",
                )
                log.warning(
                    "run %s was left RUNNING by a process that died; marked FAILED",
                    one_line(run.info.run_name),
                )
