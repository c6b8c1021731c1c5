"""Where a tracking store is: addresses, nothing of MLflow itself."""

from __future__ import annotations

import os
import re
import shlex
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from speechclean.system.paths import expanded, home
from speechclean.system.resources import PACKAGE
from speechclean.system.secrets import masked, masked_address

DEFAULT_URI = "sqlite:///mlflow.db"


class TrackingError(RuntimeError):
    """The store cannot be used, or refuses what it is given; the message says what to do.

    Passwords in the message are masked.
    """

    def __init__(self, message: str) -> None:
        super().__init__(masked(message))


class RecordError(TrackingError):
    """What a store holds of a run is not what a run writes; the message names it."""


def for_sqlalchemy(uri: str) -> str:
    """An address as SQLAlchemy, and so MLflow and Optuna, reads it.

    A sqlite file is named here by its path as it is; there `%` and `?` in it have meanings. Then
    slashes are quoted too: MLflow makes the folder that it reads in the quoted path, here none.

    >>> for_sqlalchemy("sqlite:////data/mlflow.db"), for_sqlalchemy("sqlite:////was?/mlflow.db")
    ('sqlite:////data/mlflow.db', 'sqlite:///%2Fwas%3F%2Fmlflow.db')
    """
    path = uri.removeprefix("sqlite:///")
    return f"sqlite:///{quote(path, safe='')}" if path != uri and re.search("[%?]", path) else uri


@contextmanager
def advisory_lock(engine: Any, name: str) -> Iterator[None]:
    """Hold a lock of a Postgres server (an SQLAlchemy `engine`) for the length of the block.

    The lock belongs to the connection: the server releases it when the process dies.
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
    """The address of a store.

    `at` makes relative sqlite paths absolute, so that a later change of folder changes nothing.
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
                f"{uri}: MLflow no longer keeps runs in a folder; "
                f"use sqlite:///{uri.rstrip('/')}/mlflow.db"
            )
        if uri.startswith("sqlite:"):
            path = uri.removeprefix("sqlite:///")
            if path in (uri, "", ":memory:"):
                raise TrackingError(
                    f"{uri} keeps nothing; "
                    f"use {DEFAULT_URI}, or tracking=none to keep no record on purpose"
                )
            return cls(f"sqlite:///{expanded(path).absolute()}")
        return cls(uri)

    @cached_property
    def sqlite(self) -> Path | None:
        """The file of a sqlite store; None for servers and other databases."""
        return Path(self.uri.removeprefix("sqlite:///")) if self.uri.startswith("sqlite:") else None

    @property
    def shown(self) -> str:
        """The URI without a secret in it, for messages."""
        return masked_address(self.uri)

    @property
    def pages(self) -> str:
        """What shows the store's runs: a server's address, or the command that serves them.

        >>> Store("sqlite:////data/my runs.db").pages
        "mlflow ui --backend-store-uri 'sqlite:////data/my runs.db'"
        """
        if self.uri.startswith(("http:", "https:")):
            return self.shown
        checkout = PACKAGE.parent
        if self.sqlite == checkout / "mlflow.db" == Path.cwd() / "mlflow.db":
            return "make ui"
        return (
            f"mlflow ui --backend-store-uri {shlex.quote(masked_address(for_sqlalchemy(self.uri)))}"
        )

    def pages_of(self, route: str) -> str:
        """A page below the address of a server, `route` after it; else as `pages`.

        >>> Store("http://host:5000/").pages_of("/#/experiments/1")
        'http://host:5000/#/experiments/1'
        """
        served = self.uri.startswith(("http:", "https:"))
        return self.pages.rstrip("/") + route if served else self.pages

    def artifacts(self, experiment: str, root: str | None = None) -> str | None:
        """Where an experiment's files go; None where a server decides.

        That is below `root` (a folder, or an address that MLflow knows), else below `mlartifacts`
        beside a sqlite file or, for another database, in the current folder.

        >>> Store("postgresql://host/db").artifacts("my runs", "s3://bucket/files")
        's3://bucket/files/my_runs'
        """
        name = re.sub(r"[^\w\-.]+|^\.+", "_", experiment)
        if root and "://" in root:
            return f"{root.rstrip('/')}/{name}"
        if root:
            return (expanded(root).absolute() / name).as_uri()
        if self.uri.startswith(("http:", "https:")):
            return None
        folder = self.sqlite.parent if self.sqlite else Path.cwd()
        return (folder / "mlartifacts" / name).as_uri()

    @property
    def running(self) -> Path:
        """The folder with a lock for each running run.

        It is beside a sqlite store, else in the user's own state folder.
        """
        if self.sqlite:
            return self.sqlite.parent / "mlartifacts" / ".running"
        return (
            Path(os.environ.get("XDG_STATE_HOME") or home() / ".local/state")
            / "speechclean"
            / "running"
        )
