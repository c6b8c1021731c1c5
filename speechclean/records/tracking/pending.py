"""Runs that their store could not take: kept in a local sqlite store, and uploaded later.

A pending run is a whole run, or the rest of one whose store was lost in the middle. Uploading can
be interrupted and repeated: a run is found again by the id that it had here, and values keep their
time of measurement, so nothing is written twice.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from speechclean.system.plain_text import one_line

from .address import RecordError, Store, TrackingError
from .client import connected, experiment_of, explained
from .run import FAILURE_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

#: The pending store, in the folder where the program was started.
FILE = "mlflow-pending.db"
#: Of a pending run: the store and experiment it belongs to, the run there that it continues, the
#: run there once uploaded.
STORE_TAG, EXPERIMENT_TAG = "speechclean.sync_to", "speechclean.sync_experiment"
CONTINUES_TAG, DONE_TAG = "speechclean.sync_run", "speechclean.synced"
#: Of an uploaded run: the pending one that it was.
ORIGIN_TAG = "speechclean.pending_run"
_BATCH = 100


def tags(store: Store, experiment: str, continues: str = "") -> dict[str, str]:
    """What a pending run has to remember."""
    return {STORE_TAG: store.shown, EXPERIMENT_TAG: experiment} | (
        {CONTINUES_TAG: continues} if continues else {}
    )


@dataclass(frozen=True)
class Uploaded:
    """A run that was uploaded: its name, its id in the pending store and in its own."""

    name: str
    pending_id: str
    run_id: str
    store: str


def sync(pending: str = FILE, uri: str | None = None, timeout_s: int = 10) -> Iterator[Uploaded]:
    """Upload every run that waits in `pending`, to its own store or to `uri`.

    Raises `TrackingError` where one is down.
    """
    local = Store.at(f"sqlite:///{pending}")
    if local.sqlite is None or not local.sqlite.is_file():
        raise TrackingError(
            f"{local.sqlite}: no such file; "
            "nothing was left pending here (or name it: pending=PATH)"
        )
    source = connected(local, timeout_s)
    clients: dict[str, MlflowClient] = {}
    for run in _waiting(source):
        target = Store.at(uri or run.data.tags[STORE_TAG])
        if uri is None and "***" in target.uri:
            raise TrackingError(
                f"{target.uri} was logged without its password; give it as tracking.uri=…"
            )
        client = clients.setdefault(target.uri, connected(target, timeout_s))
        _require_own_files(run, local.sqlite.parent / "mlartifacts")
        with explained(target):
            run_id = _upload(source, run, client, target)
        source.set_tag(run.info.run_id, DONE_TAG, run_id)
        yield Uploaded(run.info.run_name, run.info.run_id, run_id, target.shown)


def _waiting(client: MlflowClient) -> list[Any]:
    """Ended runs that were not uploaded yet, oldest first; running ones are left for later."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found: list[Any] = []
    token = None
    while True:
        page = client.search_runs(
            experiments, order_by=["attributes.start_time"], max_results=1000, page_token=token
        )
        found += [
            run for run in page if STORE_TAG in run.data.tags and DONE_TAG not in run.data.tags
        ]
        if not (token := page.token):
            break
    for run in found:
        if run.info.status == "RUNNING":
            log.warning(
                "%s (%s) is still running and stays pending", run.info.run_name, run.info.run_id
            )
    return [run for run in found if run.info.status != "RUNNING"]


def _require_own_files(run: Any, folder: Path) -> None:
    """Raise `RecordError` unless a pending run's files lie where its store keeps files.

    The store is a file like others: whoever can replace it could name any folder, to be uploaded.
    """
    address = urlsplit(run.info.artifact_uri or "")
    place = Path(unquote(address.path))
    inside = address.scheme in ("", "file") and place.resolve().is_relative_to(folder.resolve())
    links = (path for path in place.rglob("*") if path.is_symlink()) if inside else iter(())
    if not inside or next(links, None) is not None:
        raise RecordError(
            f"{one_line(run.info.run_name)} ({run.info.run_id}): its files are in "
            f"{one_line(place)}, not in {folder}, or are links to others; nothing of it is uploaded"
        )


def _upload(source: MlflowClient, run: Any, client: MlflowClient, store: Store) -> str:
    from mlflow.entities import Param, RunTag

    described = {
        key: value for key, value in run.data.tags.items() if not key.startswith("speechclean.sync")
    }
    run_id = _counterpart(run, client, experiment_of(client, store, run.data.tags[EXPERIMENT_TAG]))
    for some in _chunks([RunTag(key, value) for key, value in described.items()]):
        client.log_batch(run_id, tags=some)
    for some in _chunks([Param(key, value) for key, value in run.data.params.items()]):
        client.log_batch(run_id, params=some)
    for name in run.data.metrics:
        for some in _chunks(source.get_metric_history(run.info.run_id, name)):
            client.log_batch(run_id, metrics=some)
    if run.inputs and run.inputs.dataset_inputs:
        client.log_inputs(run_id, run.inputs.dataset_inputs)
    with tempfile.TemporaryDirectory() as folder:
        for artifact in source.list_artifacts(run.info.run_id):
            path = Path(source.download_artifacts(run.info.run_id, artifact.path, folder))
            if path.is_dir():
                client.log_artifacts(run_id, str(path), artifact.path)
            else:
                client.log_artifact(run_id, str(path))
    # What the run's own end says counts, not what was taken for its end while the store was lost.
    if FAILURE_TAG not in described and FAILURE_TAG in client.get_run(run_id).data.tags:
        client.delete_tag(run_id, FAILURE_TAG)
    # Last, so that a run is never seen as ended before it is whole.
    client.set_terminated(run_id, run.info.status, run.info.end_time)
    return run_id


def _counterpart(run: Any, client: MlflowClient, experiment_id: str) -> str:
    """The run that this one continues, that an interrupted upload began, or a new one."""
    from mlflow.exceptions import MlflowException

    if continues := run.data.tags.get(CONTINUES_TAG):
        try:
            return client.get_run(continues).info.run_id
        except MlflowException:
            log.warning(
                "%s is not there any more; "
                "what was recorded after it was lost becomes a run of its own",
                continues,
            )
    began = client.search_runs(
        [experiment_id], f"tags.`{ORIGIN_TAG}` = '{run.info.run_id}'", max_results=1
    )
    if began:
        return began[0].info.run_id
    made = client.create_run(
        experiment_id, run.info.start_time, {ORIGIN_TAG: run.info.run_id}, run.info.run_name
    )
    return made.info.run_id


def _chunks(items: list[Any]) -> list[list[Any]]:
    return [items[start : start + _BATCH] for start in range(0, len(items), _BATCH)]
