"""Recording runs: a few verbs over MLflow, and `NoTracker` that forgets. The only module that imports mlflow.

mlflow is imported late, since that alone takes seconds, and driven through its client, never through its global state:
nothing here depends on a current run, so several runs can follow or overlap one another in one process.

Beside a sqlite store stands `mlartifacts/` with the files that the UI shows and plays, and in it `.running/` (one lock per
living run, see `alive`) and `.lock` (held while the store is created or migrated).
"""

from __future__ import annotations

import getpass
import logging
import os
import socket
import sys
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from filelock import FileLock

from .alive import alive, claim_if_dead, signals_as_exit
from .labels import PARAM_LENGTH, TAG_LENGTH, flat, keyed, measured, text
from .store import Store, TrackingError

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["NOTE_TAG", "MlflowTracker", "NoTracker", "Run", "Tracker", "TrackingError"]

log = logging.getLogger(__name__)
Item = TypeVar("Item")

#: Text under this tag is shown as Markdown at the top of a run's page.
NOTE_TAG = "mlflow.note.content"
#: The name of the run's lock file, and why a failed run failed.
LOCK_TAG, FAILURE_TAG = "speechclean.lock", "failure"

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # else a thread reports usage over the network
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",  # its warnings go where the program's own go
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is the program's
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # by default 7: minutes of silence when a server dies in the middle
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
}
#: What mlflow takes at once.
_METRICS_PER_BATCH, _PARAMS_PER_BATCH = 1000, 100


class Run(Protocol):
    """One run being recorded. `id` is None where nothing is."""

    id: str | None

    def params(self, values: Mapping[str, object]) -> None:
        """What the run was set to. Nested mappings become dotted keys; values are cut at 6,000 characters."""

    def tags(self, values: Mapping[str, str]) -> None:
        """What the run can be found by. Values are cut at 8,000 characters."""

    def metrics(self, values: Mapping[str, float | None], step: int | None = None) -> None:
        """What was measured. None is left out; NaN and infinity raise `TrackingError` by the metric's name."""

    def file(self, path: Path, folder: str = "") -> None:
        """Keep one file, in `folder` of the run's artifacts."""

    def folder(self, path: Path, folder: str = "") -> None:
        """Keep everything below `path`, in `folder` of the run's artifacts."""


class Tracker(Protocol):
    """`check` before any work, then `run` around it."""

    def check(self) -> None: ...

    def run(self, name: str, tags: Mapping[str, str] | None = None) -> AbstractContextManager[Run]: ...


@dataclass(frozen=True)
class NoTracker:
    """Keeps nothing: for throw-away runs, where the files in the output folder are enough."""

    def check(self) -> None:
        """Always ready."""

    @contextmanager
    def run(self, name: str, tags: Mapping[str, str] | None = None) -> Iterator[Run]:  # noqa: ARG002
        """A run that is not recorded; SIGTERM still unwinds it, so that no half-written files stay."""
        with signals_as_exit():
            yield _NoRun()


@dataclass(frozen=True)
class MlflowTracker:
    """Records runs in an MLflow store.

    `uri` is a sqlite file (`sqlite:///mlflow.db`, which None means too, from the folder where the program was started), a
    server (`http://…`) or another database (`postgresql://…`). `timeout_s` bounds the first attempt to reach it.
    """

    uri: str | None = None
    experiment: str = "speechclean"
    timeout_s: int = 10

    def __post_init__(self) -> None:
        if not self.experiment.strip():
            raise ValueError("experiment is empty; give the experiment a name")
        if self.timeout_s < 1:
            raise ValueError(f"timeout_s must be at least 1 second, got {self.timeout_s}")

    def check(self) -> None:
        """Create or reach the store, and mark as FAILED the runs whose process died. Raises `TrackingError`."""
        client, experiment_id = self._opened
        with _explained(self._store):
            _fail_dead_runs(client, experiment_id, self._store.running)

    @contextmanager
    def run(self, name: str, tags: Mapping[str, str] | None = None) -> Iterator[Run]:
        """Record a run: FINISHED after the block, FAILED on whatever is raised in it, SIGTERM and Ctrl-C included."""
        client, experiment_id = self._opened
        lock = uuid.uuid4().hex
        origin = {
            LOCK_TAG: lock,
            "speechclean.host": socket.gethostname(),
            "speechclean.pid": str(os.getpid()),
            "mlflow.user": _user(),
            "mlflow.source.name": Path(sys.argv[0] or "python").name,
            "mlflow.source.type": "LOCAL",
        }
        # The lock is there before the run: a run that is RUNNING without a holder of its lock can only be dead.
        with signals_as_exit(), alive(self._store.running / lock):
            with _explained(self._store):
                described = {**origin, **{key: text(value, TAG_LENGTH) for key, value in keyed(tags or {}).items()}}
                created = client.create_run(experiment_id, tags=described, run_name=name)
            run = _MlflowRun(created.info.run_id, client, self._store, self._store.running / lock)
            try:
                yield run
                run.finish()
            except BaseException as error:
                if isinstance(error, SystemExit) and error.code in (None, 0):
                    run.finish()
                else:
                    run.fail(error)
                raise

    @cached_property
    def _store(self) -> Store:
        return Store.at(self.uri)

    @cached_property
    def _opened(self) -> tuple[MlflowClient, str]:
        """The client and the experiment's id, both created where they were missing."""
        store = self._store
        quick = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(self.timeout_s)}
        with _explained(store):
            store.check(self.timeout_s)
            _quieten()
            with _environment(quick):
                if store.sqlite is None:
                    return self._open(store)
                # Several processes running mlflow's migrations on one file at once kill one another.
                lock = store.sqlite.parent / "mlartifacts" / ".lock"
                lock.parent.mkdir(parents=True, exist_ok=True)
                with FileLock(lock, timeout=120):
                    if not store.sqlite.exists() or not store.sqlite.stat().st_size:
                        _create_sqlite(store.sqlite)
                    return self._open(store)

    def _open(self, store: Store) -> tuple[MlflowClient, str]:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        client = MlflowClient(tracking_uri=store.uri)
        found = client.get_experiment_by_name(self.experiment)
        if found is None:
            try:
                return client, client.create_experiment(self.experiment, artifact_location=store.artifacts(self.experiment))
            except MlflowException:  # another machine may have been quicker
                found = client.get_experiment_by_name(self.experiment)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise TrackingError(
                f"the experiment {self.experiment!r} was deleted in {store.shown}; choose another with "
                f"tracking.experiment=NAME, or bring it back: mlflow experiments restore -x {found.experiment_id}"
            )
        return client, found.experiment_id


@dataclass
class _NoRun:
    id: str | None = None

    def params(self, values: Mapping[str, object]) -> None: ...

    def tags(self, values: Mapping[str, str]) -> None: ...

    def metrics(self, values: Mapping[str, float | None], step: int | None = None) -> None: ...

    def file(self, path: Path, folder: str = "") -> None: ...

    def folder(self, path: Path, folder: str = "") -> None: ...


class _MlflowRun:
    def __init__(self, run_id: str, client: MlflowClient, store: Store, lock: Path) -> None:
        self.id: str | None = run_id
        self._run_id, self._client, self._store, self._lock = run_id, client, store, lock

    def params(self, values: Mapping[str, object]) -> None:
        from mlflow.entities import Param

        for some in _chunks([Param(k, text(v, PARAM_LENGTH)) for k, v in keyed(flat(values)).items()], _PARAMS_PER_BATCH):
            with _explained(self._store):
                self._client.log_batch(self._run_id, params=some)

    def tags(self, values: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        for some in _chunks([RunTag(k, text(v, TAG_LENGTH)) for k, v in keyed(values).items()], _PARAMS_PER_BATCH):
            with _explained(self._store):
                self._client.log_batch(self._run_id, tags=some)

    def metrics(self, values: Mapping[str, float | None], step: int | None = None) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        measures = [Metric(k, v, now, step or 0) for k, v in keyed(measured(values)).items()]
        for some in _chunks(measures, _METRICS_PER_BATCH):
            with _explained(self._store):
                self._client.log_batch(self._run_id, metrics=some)

    def file(self, path: Path, folder: str = "") -> None:
        with _explained(self._store):
            self._client.log_artifact(self._run_id, str(path), folder or None)

    def folder(self, path: Path, folder: str = "") -> None:
        with _explained(self._store):
            self._client.log_artifacts(self._run_id, str(path), folder or None)

    def finish(self) -> None:
        with _explained(self._store):
            self._client.set_terminated(self._run_id, "FINISHED")
        self._lock.unlink(missing_ok=True)

    def fail(self, error: BaseException) -> None:
        """Mark the run FAILED with the reason. Never raises: the error that is on its way must not be covered."""
        try:
            self._client.set_terminated(self._run_id, "FAILED")
            self._client.set_tag(self._run_id, FAILURE_TAG, text(f"{type(error).__name__}: {error}", TAG_LENGTH))
            self._lock.unlink(missing_ok=True)
        except Exception as second:
            log.error("the run %s could not be marked as FAILED in %s (%s)", self.id, self._store.shown, second)


def _fail_dead_runs(client: MlflowClient, experiment_id: str, running: Path) -> None:
    """Mark as FAILED what a kill -9, a crash of the interpreter or a power cut left RUNNING."""
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'"):
        with claim_if_dead(running / run.data.tags.get(LOCK_TAG, "-")) as dead:
            # It may have ended by itself between the search and the claim.
            if dead and client.get_run(run.info.run_id).info.status == "RUNNING":
                client.set_terminated(run.info.run_id, "FAILED")
                client.set_tag(run.info.run_id, FAILURE_TAG, "its process ended without a word (killed, or no power)")
                log.warning("run %s was left RUNNING by a process that died; marked FAILED", run.info.run_name)


def _create_sqlite(path: Path) -> None:
    """Create an empty store whole or not at all: one killed half-way through its migrations could never be opened again."""
    import sqlalchemy
    from mlflow.store.db import utils

    new = path.with_name(f".{path.name}.creating")
    new.unlink(missing_ok=True)
    engine = sqlalchemy.create_engine(f"sqlite:///{new}")
    # Nobody sees the file yet, so one sync at the end does for the hundreds that the migrations would wait for.
    sqlalchemy.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # mlflow's old migrations use old SQLAlchemy
            utils._initialize_tables(engine)  # what `mlflow db upgrade` does
        engine.dispose()
        with open(new, "rb") as file:
            os.fsync(file.fileno())
        os.replace(new, path)
    finally:
        engine.dispose()
        new.unlink(missing_ok=True)


def _quieten() -> None:
    """Before mlflow's first import: no telemetry, no progress bars, no chatter below warnings."""
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the length of a block: mlflow reads its timeouts from there at each request."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


@contextmanager
def _explained(store: Store) -> Iterator[None]:
    """Whatever goes wrong with the store becomes a `TrackingError` that names it and says what to do."""
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TrackingError(
            f"tracking in {store.shown} failed ({reason[:300]}); check tracking.uri and its server, or use tracking=none"
        ) from error


def _chunks(items: list[Item], length: int) -> list[list[Item]]:
    return [items[start : start + length] for start in range(0, len(items), length)]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in a container
        return str(os.getuid())
