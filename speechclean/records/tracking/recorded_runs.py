"""Runs that were recorded, read again."""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechclean.system.liveness import is_lock_name
from speechclean.system.plain_text import one_line

from .address import RecordError, Store, TrackingError
from .client import connected, explained
from .labels import TAG_LENGTH, text
from .run import FAILURE_TAG
from .stale import fail_dead_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Record:
    """A recorded run: its settings, its results, and its files, which are fetched on demand.

    Whoever can write to the store can have written any of it. The name is on one line, without
    what a terminal would obey; what its files hold, `records.kept_files` reads.
    """

    id: str
    name: str
    status: str
    experiment: str
    experiment_id: str
    started: int
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    _client: Any = field(repr=False)

    @property
    def failure(self) -> str:
        """Why a failed run failed, in its own words."""
        return one_line(self.tags.get(FAILURE_TAG, ""))

    @property
    def day(self) -> str:
        """The day on which it began. Raises `RecordError` for a time that no calendar has."""
        try:
            return f"{datetime.fromtimestamp(self.started / 1000, UTC):%Y-%m-%d}"
        except (TypeError, ValueError, OverflowError, OSError) as error:
            raise RecordError(
                f"{self.name} ({self.id}) began at no time that there is ({self.started} ms)"
            ) from error

    def artifact(self, path: str) -> Path | None:
        """A file of the run, on this machine; None if the run keeps none of that name."""
        inside = ".." not in Path(path).parts and not Path(path).is_absolute()
        if not inside or path not in self.artifacts(str(Path(path).parent).strip(".")):
            return None
        fetched = self._fetch(path)
        if not fetched.is_file():
            raise RecordError(f"{self.name} ({self.id}): its {one_line(path)} is no file")
        return fetched

    def artifacts(self, folder: str = "") -> set[str]:
        """Paths of the files (and folders) of the run in a folder."""
        if folder not in self._listed:  # a request on a server
            listed = self._client.list_artifacts(self.id, folder or None)
            self._listed[folder] = {each.path for each in listed}
        return self._listed[folder]

    @cached_property
    def _listed(self) -> dict[str, set[str]]:
        return {}

    @cached_property
    def _fetched(self) -> Path:
        """Where files of the run are kept on this machine, as long as this object lives."""
        folder = tempfile.mkdtemp(prefix="speechclean-record-")
        # A TemporaryDirectory would warn of whatever is not closed by hand.
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    def _fetch(self, path: str) -> Path:
        there = self._fetched / path
        if there.exists():
            return there
        return Path(self._client.download_artifacts(self.id, path, str(self._fetched)))


@dataclass(frozen=True)
class Records:
    """The runs of a store. Raises `TrackingError` for what is not there, with what is."""

    uri: str | None = None
    timeout_s: int = 10

    def get(self, run: str) -> Record:
        """A run by its id, the beginning of that (six characters or more), or a name of its own."""
        with explained(self.store):
            found = self._by_id(run) or self._by_name(run)
            if not found:
                raise TrackingError(
                    f"{self.store.shown} has no run {run!r}; "
                    f"see {self.store.pages}; tracking.uri=… names another store"
                )
            if len(found) > 1:
                several = "\n".join(
                    f"    {each.info.run_id}  {one_line(each.info.run_name)}  {each.info.status}"
                    for each in found[:20]
                )
                raise TrackingError(
                    f"{len(found)} runs are called {run!r}; name one by its id:\n{several}"
                )
            if found[0].info.status == "RUNNING":
                fail_dead_runs(self._client, found[0].info.experiment_id, self.store.running)
                return self._record(self._client.get_run(found[0].info.run_id))
            return self._record(found[0])

    def by_process(self, experiment_id: str, pid: int, since: int) -> Record | None:
        """The newest run that a process recorded since a time (ms)."""
        query = f"tags.`speechclean.pid` = '{pid}' and attributes.start_time >= {since}"
        with explained(self.store):
            found = self._client.search_runs(
                [experiment_id], query, order_by=["attributes.start_time DESC"], max_results=1
            )
            return self._record(found[0]) if found else None

    def children(self, parent_id: str) -> list[Record]:
        """The runs below a parent, oldest first."""
        found: list[Any] = []
        token = None
        with explained(self.store):
            experiment = self._client.get_run(parent_id).info.experiment_id
            query = f"tags.`mlflow.parentRunId` = '{parent_id}'"
            while True:
                page = self._client.search_runs(
                    [experiment],
                    query,
                    order_by=["attributes.start_time"],
                    max_results=1000,
                    page_token=token,
                )
                found += page
                if not (token := page.token):
                    return [self._record(run) for run in found]

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of an ended run."""
        with explained(self.store):
            for key, value in tags.items():
                self._client.set_tag(run_id, key, text(value, TAG_LENGTH))

    def keep(self, run_id: str, path: Path) -> None:
        """Add a file to an ended run."""
        with explained(self.store):
            self._client.log_artifact(run_id, str(path))

    @cached_property
    def store(self) -> Store:
        """The address of the store."""
        return Store.at(self.uri)

    @cached_property
    def _client(self) -> MlflowClient:
        if self.store.sqlite and not self.store.sqlite.exists():
            raise TrackingError(
                f"{self.store.sqlite}: no such file; name the store with tracking.uri=…"
            )
        return connected(self.store, self.timeout_s)

    def _record(self, run: Any) -> Record:
        if not is_lock_name(run.info.run_id):  # ids have the form of locks
            raise RecordError(f"{one_line(run.info.run_id)!r} is no id of a run")
        experiment = self._client.get_experiment(run.info.experiment_id)
        data = run.data
        where = (experiment.name, run.info.experiment_id, run.info.start_time)
        return Record(
            run.info.run_id,
            one_line(run.info.run_name or "nameless"),
            run.info.status,
            *where,
            data.params,
            data.metrics,
            data.tags,
            self._client,
        )

    def _by_id(self, run: str) -> list[Any]:
        from mlflow.exceptions import MlflowException

        if not re.fullmatch(r"[0-9a-f]{6,32}", run):
            return []
        if len(run) == 32:
            try:
                return [self._client.get_run(run)]
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return []
        return [each for each in self._all() if each.info.run_id.startswith(run)]

    def _by_name(self, name: str) -> list[Any]:
        return [each for each in self._all() if each.info.run_name == name]

    def _all(self) -> Iterator[Any]:
        experiments = [each.experiment_id for each in self._client.search_experiments()]
        token = None
        while True:
            page = self._client.search_runs(experiments, max_results=1000, page_token=token)
            yield from page
            if not (token := page.token):
                return
