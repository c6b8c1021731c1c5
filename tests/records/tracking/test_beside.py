"""A store is written to beside the work: one that is slow holds nothing up, and one that hangs is
left within a bounded time, with nothing lost and nothing out of order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from speechclean.records.tracking import beside, run
from speechclean.records.tracking.address import Store
from speechclean.records.tracking.labels import text
from speechclean.records.tracking.recorded_runs import Record
from speechclean.records.tracking.run import StoredRun
from tests.support.waiting import LIMIT_S


@dataclass
class Client:
    """What a store was given, in order; it answers while `answers` is set."""

    answers: threading.Event = field(default_factory=threading.Event)
    kept: list[Any] = field(default_factory=list)

    def log_batch(self, run_id: str, metrics: Any) -> None:
        self.answers.wait(LIMIT_S)
        self.kept += [(run_id, each.step) for each in metrics]

    def log_artifacts(self, run_id: str, path: str, folder: str | None) -> None:  # noqa: ARG002
        time.sleep(0.2)
        self.kept += [(run_id, sorted(each.name for each in Path(path).iterdir()))]

    def set_terminated(self, run_id: str, status: str) -> None:
        self.kept.append((run_id, status))


@pytest.fixture
def clients() -> Iterator[tuple[Client, Client]]:
    """A store that does not answer yet, and a local one that does."""
    made = Client(), Client()
    made[1].answers.set()
    yield made
    made[0].answers.set()


def stored(clients: tuple[Any, Any]) -> StoredRun:
    return StoredRun("there", clients[0], Store("http://x"), lambda _: (clients[1], "here"))


def test_a_slow_store_holds_nothing_up(clients: tuple[Client, Client]) -> None:
    slow, local = clients
    recorded = stored(clients)
    for step in range(20):
        recorded.metrics({"m": 1.0}, step)
    assert not slow.kept, "it has not answered once"
    slow.answers.set()
    recorded.end("FINISHED")
    assert slow.kept == [*(("there", step) for step in range(20)), ("there", "FINISHED")]
    assert recorded.lost is None
    assert not local.kept


def test_a_store_that_hangs_is_left_in_time(
    clients: tuple[Client, Client],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(run, "PATIENCE_S", 0.3)
    recorded = stored(clients)
    for step in range(beside.WAITING + 5):  # more than may wait
        recorded.metrics({"m": 1.0}, step)
    recorded.end("FINISHED")
    everything = [("here", step) for step in range(beside.WAITING + 5)]
    assert clients[1].kept == [*everything, ("here", "FINISHED")]
    assert isinstance(recorded.lost, TimeoutError)
    assert caplog.text.count("failed in the middle of run there (no answer within") == 1


def test_two_stores_that_hang_end_the_record_and_not_the_work(
    clients: tuple[Client, Client],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(run, "PATIENCE_S", 0.2)
    recorded = stored((clients[0], clients[0]))
    recorded.metrics({"m": 1.0}, 0)
    recorded.end("FINISHED")
    recorded.metrics({"m": 1.0}, 1)  # a late look at the system
    assert "what remains of the run is not recorded" in caplog.text


def test_a_folder_is_kept_before_it_may_go(clients: tuple[Client, Client], tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    recorded = stored(clients)
    recorded.folder(tmp_path)
    assert clients[0].kept == [("there", ["a"])]


def test_a_large_file_is_given_the_time_that_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tmp_path / "large.wav"
    with large.open("wb") as file:
        file.truncate(600 * beside.SLOWEST)
    taken: list[beside.Call] = []
    recorded = stored((Client(), Client()))
    monkeypatch.setattr(recorded._writer, "put", taken.append)
    recorded.file(large)
    assert taken[0].patience_s == beside.PATIENCE_S + 600


def test_the_files_of_a_folder_are_listed_once() -> None:
    """`compare` asks for a cleaned file of each run and each of thousands of files."""
    asked: list[str | None] = []

    class Listing:
        def list_artifacts(self, run_id: str, folder: str | None) -> list[Any]:  # noqa: ARG002
            asked.append(folder)
            return []

    record = Record("id", "name", "FINISHED", "e", "1", 0, {}, {}, {}, Listing())
    for number in range(50):
        assert record.artifact(f"cleaned/{number}.wav") is None
        assert record.artifact("config.yaml") is None
    assert asked == ["cleaned", None]


def test_a_name_that_is_no_unicode_does_not_lose_the_store() -> None:
    """The database's driver would refuse it, and the rest of the run with it."""
    assert text("caf\udce9", 99) == "caf\\udce9"
    assert text(["caf\udce9"], 99) == "[caf\\udce9]"
