"""Opening a store and recording runs in it.

mlflow is driven through its client, never through its global state: nothing here depends on a
current run, so several runs can follow or overlap one another in one process.

Beside a sqlite store is the folder `mlartifacts/` with the files that the UI shows and plays, and
in it `.running/` (one lock per running run, see `liveness`) and `.lock` (held while the store is
created or migrated).
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from speechclean.system.liveness import alive, is_lock_name, new_lock_name
from speechclean.system.secrets import holds_secret
from speechclean.system.signals import signals_as_exit

from . import pending, views
from .address import Store, TrackingError
from .client import check_experiment, connected, experiment_of, explained
from .labels import TAG_LENGTH, keyed, text, user
from .run import FAILURE_TAG, Run, StoredRun
from .stale import LOCK_TAG, fail_dead_runs
from .system import watched

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

#: A sweep hands the id of its parent run to its trials in this environment variable.
PARENT_VARIABLE = "SPEECHCLEAN_PARENT_RUN"


@dataclass(frozen=True)
class MlflowTracker:
    """Records runs in an MLflow store.

    uri: a sqlite file (`sqlite:///mlflow.db`, which None means too, from the folder where the
        program was started), a server (`http://…`) or another database (`postgresql://…`)
    timeout_s: bounds the first attempt to reach it
    required: a store that cannot be used stops the run before its start; if false, the run is
        recorded in `pending` instead
    artifacts: where the files of a new experiment go: a folder or an address (`s3://…`) that every
        machine reaches; None is beside a sqlite file, a server's own place, and for another
        database the folder where the program was started
    pending: a sqlite file for what the store did not take, also when it is lost in the middle:
        `speechclean sync`
    outputs_mib: of the cleaned files so much is kept with the run; fingerprints are kept of all
    system_metrics_s: seconds between two looks at CPU, memory and GPU; 0 for none
    log_model: keep the pipeline with the run as a model that `mlflow models serve` serves
    """

    uri: str | None = None
    experiment: str = "speechclean"
    timeout_s: int = 10
    required: bool = True
    artifacts: str | None = None
    pending: str = pending.FILE
    outputs_mib: int = 1000
    system_metrics_s: float = 10.0
    log_model: bool = False

    needs_packages: ClassVar[tuple[str, ...]] = ("mlflow", "psutil")

    def __post_init__(self) -> None:
        if not self.experiment.strip():
            raise ValueError("experiment is empty; give the experiment a name")
        if self.timeout_s < 1:
            raise ValueError(f"timeout_s must be at least 1 second, got {self.timeout_s}")
        for name in ("outputs_mib", "system_metrics_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must be 0 or more")
        if holds_secret(self.artifacts or ""):
            raise ValueError(
                "artifacts holds a password, and a store shows where files are to all who see it; "
                "leave it out, and give it in the environment, as that storage's own tools take it"
            )

    def check(self) -> None:
        """Raise `TrackingError` if no store can be used, or if the experiment was deleted.

        Nothing is created: `prepare` does.
        """
        try:
            check_experiment(self._store, self.experiment, self.timeout_s)
        except TrackingError:
            if self.required:
                raise
            check_experiment(self._pending_store, self.experiment, self.timeout_s)

    def prepare(self) -> None:
        """Create or reach the store, and mark as FAILED the runs whose process died.

        Raises `TrackingError`.
        """
        client, experiment_id, store = self._opened
        with explained(store):
            fail_dead_runs(client, experiment_id, store.running)

    @contextmanager
    def run(
        self, name: str, tags: Mapping[str, str] | None = None, continues: str | None = None
    ) -> Iterator[Run]:
        """Record a run: FINISHED after the block, KILLED on Ctrl-C, else FAILED.

        SIGTERM counts as raised. `continues` is the id of an ended run that goes on, if
        the store has it; else a new one begins. If the store is lost on the way, the block is not
        disturbed, and `TrackingError` is raised after it.
        """
        client, experiment_id, store = self._opened
        lock = new_lock_name()
        described = {LOCK_TAG: lock} | _origin(continues)
        described |= {key: text(value, TAG_LENGTH) for key, value in keyed(tags or {}).items()}
        if store != self._store:
            described |= pending.tags(self._store, self.experiment)
        # The lock is taken before the run is created: a run that is RUNNING while nobody holds its
        # lock can only be one whose process died.
        with signals_as_exit(), alive(store.running / lock):
            with explained(store):
                started = _reopened(client, continues, described) if continues else None
                started = (
                    started
                    or client.create_run(
                        experiment_id, tags=described, run_name=text(name, TAG_LENGTH)
                    ).info.run_id
                )
            run = StoredRun(started, client, store, lambda run_id: self._divert(name, run_id))
            run.pages = store.pages_of(views.route(experiment_id))
            try:
                with watched(run, self.system_metrics_s):
                    yield run
                run.end("FINISHED")
            except BaseException as error:
                well = isinstance(error, SystemExit) and error.code in (None, 0)
                ended = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
                run.end(
                    "FINISHED" if well else ended,
                    None if well else f"{type(error).__name__}: {error}",
                )
                raise
            finally:
                # A lost run stays RUNNING there, and the next `prepare` finds it dead.
                if run.lost is None:
                    (store.running / lock).unlink(missing_ok=True)
            if run.lost is not None:
                self._report_loss(run)

    def _report_loss(self, run: StoredRun) -> None:
        lost = (
            f"tracking in {self._store.shown} failed in the middle of run {run.id}. All outputs "
            f"are on the disk; what was not recorded waits in {Path(self.pending).absolute()}: "
            "once the store is back, `speechclean sync`"
        )
        if self.required:
            raise TrackingError(lost) from run.lost
        log.warning("%s", lost)

    def _divert(self, name: str, run_id: str) -> tuple[MlflowClient, str]:
        """A run in the pending store that continues another one."""
        local = self._pending_store
        client = connected(local, self.timeout_s)
        described = pending.tags(self._store, self.experiment, run_id)
        return client, client.create_run(
            experiment_of(client, local, self.experiment),
            tags=described,
            run_name=text(name, TAG_LENGTH),
        ).info.run_id

    @cached_property
    def _store(self) -> Store:
        return Store.at(self.uri)

    @property
    def _pending_store(self) -> Store:
        return Store.at(f"sqlite:///{self.pending}")

    @cached_property
    def _opened(self) -> tuple[MlflowClient, str, Store]:
        """The client, the experiment's id and the store, created where they were missing.

        The pending store takes the place of one that is down and not required.
        """
        store = self._store
        try:
            return self._open(store)
        except TrackingError as error:
            if self.required:
                raise
            log.warning(
                "%s. Recording in %s instead; upload it later with `speechclean sync`",
                error,
                self.pending,
            )
            return self._open(self._pending_store)

    def _open(self, store: Store) -> tuple[MlflowClient, str, Store]:
        client = connected(store, self.timeout_s)
        with explained(store):
            artifacts = self.artifacts if store == self._store else None
            return client, experiment_of(client, store, self.experiment, artifacts), store


def _origin(continues: str | None) -> dict[str, str]:
    """Tags that tell which process records a run, and of which sweep it is a trial."""
    tags = {
        "speechclean.host": socket.gethostname(),
        "speechclean.pid": str(os.getpid()),
        "mlflow.user": user(),
        "mlflow.source.name": Path(sys.argv[0] or "python").name,
        "mlflow.source.type": "LOCAL",
    }
    if (parent := os.environ.get(PARENT_VARIABLE)) and parent != continues:
        tags["mlflow.parentRunId"] = parent
    return tags


def _reopened(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> str | None:
    """An ended run's id, RUNNING again under these tags; None if the store has no such run."""
    from mlflow.exceptions import MlflowException

    if not is_lock_name(run_id):  # ids have the form of locks; a study's storage may say anything
        return None
    try:
        client.update_run(run_id, status="RUNNING")
        if FAILURE_TAG in client.get_run(run_id).data.tags:
            client.delete_tag(run_id, FAILURE_TAG)
    except MlflowException:
        return None
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    return run_id
