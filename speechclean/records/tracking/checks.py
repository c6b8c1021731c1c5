"""Whether a store can be used, judged by looking: nothing is made, and one try must do.

Asked to open a store that is not there, mlflow tries ten times, for minutes. These checks take one
look, within seconds, and say what to do.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from speechclean.system.extras import how_to_get
from speechclean.system.writable import why_not_writable

from .address import Store, TrackingError, for_sqlalchemy

if TYPE_CHECKING:
    import sqlalchemy

_DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_ELSEWHERE = "choose another store with tracking.uri=sqlite:///PATH"


def check_store(store: Store, timeout_s: float) -> None:
    """Raise `TrackingError` if a file or database can be seen to be unusable.

    Servers are left to their first request.
    """
    if store.sqlite:
        _check_file(store.sqlite)
    elif port := _DATABASE_PORTS.get(_dialect(store)):
        _check_port(store.uri, port, timeout_s)
        with _engine(store) as engine:
            _check_login(store, engine)


def deleted_in_database(store: Store, experiment: str) -> str | None:
    """The id of an experiment that was deleted in a file or database; None if there is none.

    Only reads; a store that mlflow has not made yet has no experiment.
    """
    import sqlalchemy

    query = sqlalchemy.text(
        "SELECT experiment_id, lifecycle_stage FROM experiments WHERE name = :name"
    )
    if store.sqlite and not store.sqlite.exists():
        return None
    with _engine(store) as engine:
        try:
            with engine.connect() as connection:
                found = connection.execute(query, {"name": experiment}).all()
        except sqlalchemy.exc.SQLAlchemyError:
            return None  # no such table yet; what else is wrong, the first use tells
    return None if any(stage == "active" for _, stage in found) or not found else str(found[0][0])


def deletion_error(store: Store, experiment: str, deleted_id: str) -> TrackingError:
    """The error for an experiment that was deleted."""
    return TrackingError(
        f"the experiment {experiment!r} was deleted in {store.shown}; choose another with "
        "tracking.experiment=NAME, or bring it back: "
        f"mlflow experiments restore -x {deleted_id}"
    )


def is_database(store: Store) -> bool:
    """Whether a store is a file or a database, whose tables can be read directly."""
    return store.sqlite is not None or _dialect(store) in _DATABASE_PORTS


def _dialect(store: Store) -> str:
    return urlsplit(store.uri).scheme.partition("+")[0]


@contextmanager
def _engine(store: Store) -> Iterator[sqlalchemy.Engine]:
    """A connection pool for one look; a sqlite file is opened for reading alone."""
    import sqlalchemy

    try:
        if path := store.sqlite:
            engine = sqlalchemy.create_engine(
                "sqlite://", creator=lambda: sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
            )
        else:
            engine = sqlalchemy.create_engine(for_sqlalchemy(store.uri))
    except ModuleNotFoundError as error:
        raise TrackingError(
            f"{store.shown}: its driver {error.name} is not installed; "
            f"{how_to_get(['psycopg'])} brings Postgres'"
        ) from error
    try:
        yield engine
    finally:
        engine.dispose()


def _check_login(store: Store, engine: sqlalchemy.Engine) -> None:
    """Log in once, so that a wrong password is reported now and not after ten attempts."""
    import sqlalchemy

    try:
        engine.connect().close()
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise TrackingError(
            f"{store.shown}: the database refuses ({str(error).splitlines()[0]})"
        ) from error


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise TrackingError(
            f"{path} is a folder; name a file in it, tracking.uri=sqlite:///{path}/mlflow.db"
        )
    existing = next(folder for folder in path.parents if folder.exists())
    if not existing.is_dir():
        raise TrackingError(f"{path}: {existing} is not a folder")
    if path.exists():
        with path.open("rb") as file:
            if file.read(16) not in (b"", b"SQLite format 3\0"):
                raise TrackingError(f"{path} is not a sqlite file; {_ELSEWHERE}")
        if not os.access(path, os.W_OK):
            raise TrackingError(f"{path} is not writable; {_ELSEWHERE}")
    # sqlite writes its journal beside the file: the folder must be writable too.
    if why_not_writable(existing):
        raise TrackingError(f"{existing} is not writable; {_ELSEWHERE}")


def _check_port(uri: str, default_port: int, timeout_s: float) -> None:
    address = urlsplit(uri)
    if not address.hostname:
        return  # a unix socket, or whatever else the driver takes from the query
    port = address.port or default_port
    try:
        socket.create_connection((address.hostname, port), timeout_s).close()
    except OSError as error:
        raise TrackingError(
            f"no database answers at {address.hostname}:{port} ({error}); start it, correct "
            "tracking.uri, or use tracking=none"
        ) from error
