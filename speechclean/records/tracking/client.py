"""Clients of mlflow: quiet, with short timeouts, their errors in the user's words.

A sqlite store is created atomically.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from speechclean.system import extras

from . import views
from .address import Store, TrackingError, advisory_lock, for_sqlalchemy
from .checks import check_store, deleted_in_database, deletion_error, is_database

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # else a thread reports usage over the network
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",  # its warnings go where the program's own go
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is the program's
    # With mlflow's default of 7 a command hangs for minutes when a server dies.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
}


def connected(store: Store, timeout_s: int) -> MlflowClient:
    """A client of a store, which is created or migrated where that is needed.

    Raises `TrackingError` within about `timeout_s` seconds.
    """
    with explained(store):
        check_store(store, timeout_s)
        from mlflow import MlflowClient

        with patience(0, timeout_s), _alone(store):
            if store.sqlite and (not store.sqlite.exists() or not store.sqlite.stat().st_size):
                _create_sqlite(store.sqlite)
            client = MlflowClient(tracking_uri=for_sqlalchemy(store.uri))
            # mlflow creates a store's tables at its first use: here, where errors are expected.
            client.search_experiments(max_results=1)
            return client


def check_experiment(store: Store, name: str, timeout_s: int) -> None:
    """Raise `TrackingError` if a store cannot be used, or if an experiment of it was deleted.

    Only looks: nothing is created or migrated.
    """
    with explained(store):
        check_store(store, timeout_s)
        if is_database(store):
            deleted = deleted_in_database(store, name)
        else:
            quieten()
            from mlflow import MlflowClient

            with patience(0, timeout_s):
                found = MlflowClient(tracking_uri=for_sqlalchemy(store.uri)).get_experiment_by_name(
                    name
                )
            deleted = None
            if found is not None and found.lifecycle_stage != "active":
                deleted = found.experiment_id
        if deleted is not None:
            raise deletion_error(store, name, deleted)


def experiment_of(
    client: MlflowClient, store: Store, name: str, artifacts: str | None = None
) -> str:
    """The id of an experiment, created where it is missing, its files below `artifacts`.

    It has its saved view then (`views`). Raises `TrackingError` for a deleted one.
    """
    from mlflow.exceptions import MlflowException

    tags = views.experiment_tags(int(time.time() * 1000))
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(
                name, artifact_location=store.artifacts(name, artifacts), tags=tags
            )
        except MlflowException:  # another process or machine may have been quicker
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise deletion_error(store, name, found.experiment_id)
    if views.MARK_TAG not in found.tags:  # made before there were views
        try:
            for key, value in tags.items():
                client.set_experiment_tag(found.experiment_id, key, value)
        except MlflowException as error:  # of somebody who may add runs and no more
            log.debug("%s: the saved view is not added (%s)", store.shown, error)
    return found.experiment_id


def quieten() -> None:
    """Let mlflow be silent: no telemetry, no progress bars, no chatter below warnings.

    For processes that do nothing else, before mlflow's first import (`experiment.process`); a
    library leaves environment and loggers alone.
    """
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def patience(retries: int, timeout_s: int) -> _Environment:
    """For the length of a block: how often and how long mlflow tries to reach a server."""
    return _Environment(
        {
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(retries),
            "MLFLOW_HTTP_REQUEST_TIMEOUT": str(timeout_s),
        }
    )


class _Environment:
    """Environment variables for the length of a block.

    mlflow reads its timeouts from there at each request.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values

    def __enter__(self) -> None:
        self.before = {key: os.environ.get(key) for key in self.values}
        os.environ.update(self.values)

    def __exit__(self, *_: object) -> None:
        for key, value in self.before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


@contextmanager
def explained(store: Store) -> Iterator[None]:
    """Turn every error in the block into a `TrackingError` that names the store and the advice."""
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:  # mlflow and its drivers raise whatever they like
        if absent := extras.missing(["mlflow"]):
            raise TrackingError(extras.explained(f"tracking in {store.shown}", absent)) from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TrackingError(
            f"tracking in {store.shown} failed ({reason[:300]}); "
            "check tracking.uri and its server, or use tracking=none"
        ) from error


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """Keep other processes away for the length of the block.

    Of several that run mlflow's migrations on one store at once, all but one fail.
    """
    if store.sqlite:
        lock = store.sqlite.parent / "mlartifacts" / ".lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=120):
            yield
    elif store.uri.startswith("postgresql"):
        import sqlalchemy

        engine = sqlalchemy.create_engine(for_sqlalchemy(store.uri))
        try:
            with advisory_lock(engine, "tracking store"):
                yield
        finally:
            engine.dispose()
    else:
        yield


def _create_sqlite(path: Path) -> None:
    """Create an empty store atomically.

    One that was killed half-way through its migrations could never be opened again.
    """
    import sqlalchemy
    from mlflow.store.db import utils

    new = path.with_name(f".{path.name}.creating")
    new.unlink(missing_ok=True)
    engine = sqlalchemy.create_engine(for_sqlalchemy(f"sqlite:///{new}"))
    # Nobody sees the file yet, so one sync at the end does for the hundreds that the migrations
    # would wait for.
    sqlalchemy.event.listen(
        engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF")
    )
    try:
        with warnings.catch_warnings():
            # mlflow's old migrations use deprecated parts of SQLAlchemy.
            warnings.simplefilter("ignore", DeprecationWarning)
            # What `mlflow db upgrade` does; mlflow has no public function for it.
            utils._initialize_tables(engine)  # noqa: SLF001
        engine.dispose()
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        engine.dispose()
        new.unlink(missing_ok=True)
