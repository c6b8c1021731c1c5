"""One run being recorded, beside the work.

A store that is slow holds nothing up. One that is lost in the middle, or stops answering, costs no
work: what it did not take goes to a local one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from speechclean.system.secrets import masked
from speechclean.system.signals import signals_held

from .address import Store
from .beside import PATIENCE_S, SLOWEST, Beside, Call
from .labels import PARAM_LENGTH, TAG_LENGTH, flat, keyed, measured, text

if TYPE_CHECKING:
    from mlflow import MlflowClient


log = logging.getLogger(__name__)
Item = TypeVar("Item")

#: Text under this tag is shown as Markdown at the top of a run's page.
NOTE_TAG = "mlflow.note.content"
#: Why a failed run failed.
FAILURE_TAG = "failure"
#: What mlflow takes at once.
_METRICS_PER_BATCH, _PARAMS_PER_BATCH = 1000, 100
#: Seconds between two looks at whether the store has taken what it was given.
_LOOK_S = 0.01
#: One thing to be written, given a client and the run's id there.
Entry = Callable[["MlflowClient", str], object]


class Run(Protocol):
    """One run being recorded.

    id: None where nothing is recorded; pages: the address or command that shows it, "" for none
    """

    id: str | None
    pages: str

    def params(self, values: Mapping[str, object]) -> None:
        """Record settings.

        Nested mappings become dotted keys; values are cut at 6,000 characters.
        """

    def tags(self, values: Mapping[str, str]) -> None:
        """Record what the run can be found by. Values are cut at 8,000 characters."""

    def metrics(self, values: Mapping[str, float | None], step: int | None = None) -> None:
        """Record measurements. None is left out.

        NaN and infinity raise `TrackingError` with the metric's name.
        """

    def dataset(self, name: str, digest: str, source: str, profile: str) -> None:
        """Record the inputs: a name and a digest of their contents.

        source, profile: where they are and what they are like, both JSON
        """

    def file(self, path: Path, folder: str = "") -> None:
        """Keep one file, in `folder` of the run's artifacts; it must stay until the run ends."""

    def folder(self, path: Path, folder: str = "") -> None:
        """Keep everything below `path`, in `folder` of the run's artifacts, before it returns."""


class StoredRun:
    """A run in a store, written to in a thread of its own. Threads may share it.

    elsewhere: called with the run's id once the store fails; opens a run for the rest
    lost: the error by which the store was lost, None while it is there
    """

    def __init__(
        self,
        run_id: str,
        client: MlflowClient,
        store: Store,
        elsewhere: Callable[[str], tuple[MlflowClient, str]],
    ) -> None:
        self.id: str | None = run_id
        self.pages = store.pages
        self.lost: Exception | None = None
        self._place, self._writer = (client, run_id), Beside()
        self._open = True
        self._store, self._elsewhere = store, elsewhere
        self._lock = threading.RLock()

    def params(self, values: Mapping[str, object]) -> None:
        """See `Run`."""
        from mlflow.entities import Param

        for some in _chunks(
            [Param(k, text(v, PARAM_LENGTH)) for k, v in keyed(flat(values)).items()],
            _PARAMS_PER_BATCH,
        ):
            self._batch(params=some)

    def tags(self, values: Mapping[str, str]) -> None:
        """See `Run`."""
        from mlflow.entities import RunTag

        for some in _chunks(
            [RunTag(k, text(v, TAG_LENGTH)) for k, v in keyed(values).items()], _PARAMS_PER_BATCH
        ):
            self._batch(tags=some)

    def metrics(self, values: Mapping[str, float | None], step: int | None = None) -> None:
        """See `Run`."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        measures = [Metric(k, v, now, step or 0) for k, v in keyed(measured(values)).items()]
        for some in _chunks(measures, _METRICS_PER_BATCH):
            self._batch(metrics=some)

    def dataset(self, name: str, digest: str, source: str, profile: str) -> None:
        """See `Run`."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        used = Dataset(name, digest[:36], "local", masked(source), profile=profile)
        made = [DatasetInput(used, [InputTag("mlflow.data.context", "cleaning")])]
        self._write(lambda client, run: client.log_inputs(run, made))

    def file(self, path: Path, folder: str = "") -> None:
        """See `Run`."""
        self._write(
            lambda client, run: client.log_artifact(run, str(path), folder or None), _size(path)
        )

    def folder(self, path: Path, folder: str = "") -> None:
        """See `Run`."""
        self._write(
            lambda client, run: client.log_artifacts(run, str(path), folder or None),
            sum(map(_size, path.rglob("*"))),
        )
        self._wait(lambda: self._writer.idle)

    def end(self, status: str, failure: str | None = None) -> None:
        """Close the run as FINISHED or FAILED, with the reason, once all of it is written."""
        if failure:
            self.tags({FAILURE_TAG: failure})
        self._write(lambda client, run: client.set_terminated(run, status))
        self._wait(lambda: self._writer.idle)
        self._open = False
        self._writer.stop()

    def _batch(self, **values: Any) -> None:
        self._write(lambda client, run: client.log_batch(run, **values))

    def _write(self, entry: Entry, size: int = 0) -> None:
        """Let it be written; `size` is the bytes that are sent."""
        call = Call(lambda: entry(*self._place), PATIENCE_S + size / SLOWEST)
        self._wait(lambda: self._writer.has_room)
        with signals_held(), self._lock:
            if self._open:
                self._writer.put(call)

    def _wait(self, ready: Callable[[], bool]) -> None:
        """Wait for the writer, and go elsewhere where its store is lost.

        A signal may end the waiting itself; a writer is exchanged whole.
        """
        while self._open:
            writer = self._writer
            if (error := writer.failure()) is not None:
                with signals_held(), self._lock:
                    if self._writer is writer and self._open:
                        self._leave(error)
            elif ready():
                return
            else:
                time.sleep(_LOOK_S)

    def _leave(self, error: Exception) -> None:
        """The store is lost: what it has not taken is written elsewhere, or not at all."""
        undone = self._writer.stop()
        if self.lost is not None:
            log.error(
                "%s: what remains of the run is not recorded (%s)",
                self._store.shown,
                masked(str(error)),
            )
            self._open = False
            return
        self._divert(error)
        if self._open:
            self._writer = Beside()
            for call in undone:
                self._writer.put(call)

    def _divert(self, error: Exception) -> None:
        """Say once, as an error, that the store is lost, and open another place."""
        self.lost = error
        reason = masked((str(error).strip() or type(error).__name__).splitlines()[0])[:300]
        log.error(
            "tracking in %s failed in the middle of run %s (%s); the work goes on",
            self._store.shown,
            self.id,
            reason,
        )
        try:
            self._place = self._elsewhere(self.id or "")
        except Exception as second:  # noqa: BLE001 - no failure of a store may cost the work
            self._open = False
            log.error(
                "nor can the rest of its record be kept here (%s); "
                "the files in its folder are all there is",
                masked(str(second)),
            )


def _size(path: Path) -> int:
    """Bytes of a file; 0 of what is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _chunks(items: list[Item], length: int) -> list[list[Item]]:
    return [items[start : start + length] for start in range(0, len(items), length)]
