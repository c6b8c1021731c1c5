"""Where a tracking store is, and whether it can be used: addresses and quick checks, nothing of
MLflow itself.

Asked to open a store that is not there, mlflow tries ten times, for minutes. These checks take one
look, within seconds, and say what to do.
"""

from __future__ import annotations

import os
import re
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

DEFAULT_URI = "sqlite:///mlflow.db"
_DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


class TrackingError(RuntimeError):
    """The tracking store cannot be used, or refuses what it is given; the message says what to
    do.
    """


@contextmanager
def advisory_lock(engine: Any, name: str) -> Iterator[None]:
    """Hold a lock of a Postgres server (an SQLAlchemy `engine`) for the length of the block. It is
    the session's: whoever dies gives it back.
    """
    import sqlalchemy

    number = {"number": zlib.crc32(f"speechclean {name}".encode())}
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:number)"), number)
        try:
            yield
        finally:
            connection.execute(sqlalchemy.text("SELECT pg_advisory_unlock(:number)"), number)


@dataclass(frozen=True)
class Store:
    """The address of a store. Relative sqlite paths are made absolute on construction, so that a
    later change of folder changes nothing.
    """

    uri: str

    @classmethod
    def at(cls, uri: str | None) -> Store:
        """The store that a user means by `uri`: None is `mlflow.db` in the current folder.

        >>> Store.at("sqlite:////data/mlflow.db").sqlite
        PosixPath('/data/mlflow.db')
        """
        uri = uri or DEFAULT_URI
        if urlsplit(uri).scheme in ("", "file"):
            raise TrackingError(
                f"{uri}: MLflow no longer keeps runs in a folder; use sqlite:///{uri.rstrip('/')}/mlflow.db"
            )
        if uri.startswith("sqlite:"):
            path = uri.removeprefix("sqlite:///")
            if path in (uri, "", ":memory:"):
                raise TrackingError(
                    f"{uri} keeps nothing; use {DEFAULT_URI}, or tracking=none to keep no record on purpose"
                )
            return cls(f"sqlite:///{Path(path).expanduser().absolute()}")
        return cls(uri)

    @cached_property
    def sqlite(self) -> Path | None:
        """The file of a sqlite store; None for servers and other databases."""
        return Path(self.uri.removeprefix("sqlite:///")) if self.uri.startswith("sqlite:") else None

    @property
    def shown(self) -> str:
        """The URI without a password in it, for messages."""
        return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", self.uri)

    def artifacts(self, experiment: str, root: str | None = None) -> str | None:
        """Where an experiment's files go: below `root` (a folder, or an address that MLflow knows),
        else below `mlartifacts`,
        beside a sqlite file or, for another database, here. A server decides itself: None.

        >>> Store("postgresql://host/db").artifacts("my runs", "s3://bucket/files")
        's3://bucket/files/my_runs'
        """
        name = re.sub(r"[^\w\-.]+|^\.+", "_", experiment)
        if root and "://" in root:
            return f"{root.rstrip('/')}/{name}"
        if root:
            return (Path(root).expanduser().absolute() / name).as_uri()
        if self.uri.startswith(("http:", "https:")):
            return None
        folder = self.sqlite.parent if self.sqlite else Path.cwd()
        return (folder / "mlartifacts" / name).as_uri()

    @property
    def running(self) -> Path:
        """Folder of the living runs' locks: beside a sqlite store, else in the user's own state
        folder.
        """
        if self.sqlite:
            return self.sqlite.parent / "mlartifacts" / ".running"
        return (
            Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
            / "speechclean"
            / "running"
        )

    def check(self, timeout_s: float) -> None:
        """Raise `TrackingError` if the store can be seen to be unusable. Servers are left to their
        first request.
        """
        if self.sqlite:
            _check_file(self.sqlite)
        elif (database := urlsplit(self.uri).scheme.partition("+")[0]) in _DATABASE_PORTS:
            _check_port(self.uri, _DATABASE_PORTS[database], timeout_s)
            self._check_login()

    def _check_login(self) -> None:
        """One attempt to log in: a wrong password is told now and not after ten attempts."""
        import sqlalchemy

        try:
            engine = sqlalchemy.create_engine(self.uri)
        except ModuleNotFoundError as error:
            raise TrackingError(
                f"{self.shown}: its driver {error.name} is not installed; pip install 'speechclean[postgres]' brings Postgres'"
            ) from error
        try:
            engine.connect().close()
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise TrackingError(
                f"{self.shown}: the database refuses ({str(error).splitlines()[0]})"
            ) from error
        finally:
            engine.dispose()


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise TrackingError(
            f"{path} is a folder; name a file in it, tracking.uri=sqlite:///{path}/mlflow.db"
        )
    if path.exists():
        with open(path, "rb") as file:
            if file.read(16) not in (b"", b"SQLite format 3\0"):
                raise TrackingError(
                    f"{path} is not a sqlite file; choose another with tracking.uri=sqlite:///PATH"
                )
    # sqlite writes its journal beside the file: the folder must be writable too.
    existing = next(folder for folder in path.parents if folder.exists())
    for place in (path, existing):
        if place.exists() and not os.access(place, os.W_OK):
            raise TrackingError(
                f"{place} is not writable; choose another store with tracking.uri=sqlite:///PATH"
            )
    if not existing.is_dir():
        raise TrackingError(f"{path}: {existing} is not a folder")


def _check_port(uri: str, default_port: int, timeout_s: float) -> None:
    address = urlsplit(uri)
    if not address.hostname:
        return  # a unix socket, or whatever else the driver takes from the query
    try:
        socket.create_connection(
            (address.hostname, address.port or default_port), timeout_s
        ).close()
    except OSError as error:
        raise TrackingError(
            f"no database answers at {address.hostname}:{address.port or default_port} ({error}); start it, correct "
            f"tracking.uri, or use tracking=none"
        ) from error
