"""Where a study is kept: a sqlite file, a journal file or a PostgreSQL server, and locks on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from speechclean.records.tracking.address import advisory_lock, for_sqlalchemy
from speechclean.system.secrets import masked_address

from .settings import StudyError, folder_of

#: Seconds to wait for another worker that claims a trial.
LOCK_TIMEOUT_S = 120
#: Seconds to wait for another process that writes into a sqlite file.
WRITE_TIMEOUT_S = 60


@dataclass(frozen=True)
class Storage:
    """An address, with absolute paths (`settings.storage_of`), and the study's name in it."""

    address: str
    study: str

    @property
    def folder(self) -> Path | None:
        """The folder of a storage that is a file: all who work on the study see it."""
        return folder_of(self.address)

    @property
    def named(self) -> str:
        """The study and its storage, for messages: without a password."""
        return f"the study {self.study!r} in {self._shown}"

    @cached_property
    def backend(self) -> Any:
        """Optuna's storage. Raises `StudyError` where it cannot be used."""
        import optuna

        if self.address.startswith("journal:"):
            from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

            path = self.address.removeprefix("journal:")
            return optuna.storages.JournalStorage(
                JournalFileBackend(path, lock_obj=JournalFileOpenLock(path))
            )
        options: dict[str, Any] = {"pool_pre_ping": True}
        if self.address.startswith("sqlite:"):
            options = {"connect_args": {"timeout": WRITE_TIMEOUT_S}}  # others write too
        try:
            return optuna.storages.RDBStorage(for_sqlalchemy(self.address), engine_kwargs=options)
        except Exception as error:
            raise self._unusable(error) from error

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what the storage raises while it is in use into a `StudyError` with advice."""
        import optuna
        import sqlalchemy

        try:
            yield
        except (
            optuna.exceptions.StorageInternalError,
            sqlalchemy.exc.SQLAlchemyError,
            Timeout,
        ) as error:
            advice = ""
            if self.address.startswith("sqlite:"):
                advice = (
                    "; one process at a time can write into a sqlite file, and another one kept "
                    f"this one waiting for more than {WRITE_TIMEOUT_S} s: where several work on a "
                    "study, take sweep.storage=journal:PATH or a postgresql server"
                )
            raise StudyError(
                f"{self.named}: lost in the middle ({_reason(error)}). What has ended is kept, and "
                f"the same command goes on{advice}"
            ) from error

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else claims trials of this storage inside the block."""
        if folder := self.folder:
            with FileLock(folder / ".study.lock", timeout=LOCK_TIMEOUT_S):
                yield
        elif self.address.startswith("postgresql"):
            with advisory_lock(self._lock_connections, f"study {self.study}"):
                yield
        else:
            yield

    @cached_property
    def _lock_connections(self) -> Any:
        """Connections for locks alone.

        Optuna's own exist only once its tables do, and those are made under a lock.
        """
        import sqlalchemy

        engine = sqlalchemy.create_engine(self.address, poolclass=sqlalchemy.pool.NullPool)
        try:
            engine.connect().close()
        except Exception as error:
            raise self._unusable(error) from error
        return engine

    @property
    def _shown(self) -> str:
        return masked_address(self.address)

    def _unusable(self, error: Exception) -> StudyError:
        return StudyError(f"sweep.storage={self._shown}: cannot be used ({_reason(error)})")


def _reason(error: BaseException) -> str:
    """What lies below Optuna's and SQLAlchemy's wrappings, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next(iter(str(error).splitlines()), "") or type(error).__name__
