"""What is finished is not done again; what differs in anything that matters is."""

from __future__ import annotations

import io
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from speechclean.audio.sound_files import save
from speechclean.audio.waveform import AudioError
from speechclean.experiment.batch import record
from speechclean.experiment.batch.plan import Identity, Plan, plan
from speechclean.experiment.batch.progress import planning
from speechclean.experiment.batch.task import Entry, Input
from speechclean.records import provenance
from speechclean.records.file_result import FileResult, Status
from speechclean.stages.types import Track
from tests.conftest import noise
from tests.experiment.batch.conftest import entry

NOW = Identity("s", "w")


def made(tmp_path: Path, *names: str) -> tuple[list[Track], dict[str, Entry]]:
    """Inputs with outputs, and the ledger that fits them."""
    tracks: list[Track] = []
    entries: dict[str, Entry] = {}
    for name in names:
        path, output = tmp_path / "in" / f"{name}.wav", tmp_path / "out" / "cleaned" / f"{name}.wav"
        save(noise(0.1, seed=len(tracks)), path)
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(b"1234")
        facts = path.stat()
        known = Input(provenance.file_hash(path), facts.st_size, facts.st_mtime_ns)
        tracks.append(Track(name, path, relative=f"sub/{name}"))
        entries[name] = entry(name, path=str(path), input=known)
    return tracks, entries


def planned(tmp_path: Path, tracks: list[Track], entries: dict[str, Entry], **other: Any) -> Plan:
    arguments: dict[str, Any] = {
        "identity": NOW,
        "stream_above_s": 300,
        "only": "all",
        "force": False,
        **other,
    }
    layout = arguments.pop("layout", "flat")
    return plan(
        tracks, entries, output={"dir": str(tmp_path / "out"), "layout": layout}, **arguments
    )


def todo(found: Plan) -> set[str]:
    return {task.alias for task in found.todo}


def test_an_interruption_does_not_wait_for_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracks = [Track(str(number), tmp_path / f"{number}.wav") for number in range(3000)]
    seen: list[Path] = []

    def probed(path: Path) -> None:
        seen.append(path)
        if len(seen) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        raise AudioError("no sound")

    monkeypatch.setattr("speechclean.experiment.batch.plan.probe", probed)
    with pytest.raises(KeyboardInterrupt):
        planned(tmp_path, tracks, {})
    assert len(seen) < 1000


def test_it_is_said_how_far_a_long_planning_is(tmp_path: Path) -> None:
    tracks = [Track(str(number), tmp_path / f"{number}.wav") for number in range(1200)]
    said: list[int] = []
    assert len(planned(tmp_path, tracks, {}, looked_at=said.append).todo) == 1200
    assert said == [500, 1000, 1200]
    console = Console(file=io.StringIO())
    planning(1200, console, every_s=0)(500)
    planning(1200, console, every_s=60)(1000)
    assert console.file.getvalue() == "planning: 500 of 1,200 files\n"  # type: ignore[attr-defined]


def test_an_output_that_was_edited_at_equal_size_is_made_again(tmp_path: Path) -> None:
    tracks, entries = made(tmp_path, "kept", "copied", "edited", "old")
    for name in entries:
        path = tmp_path / "out" / "cleaned" / f"{name}.wav"
        written: dict[str, Any] = {
            "output_mtime_ns": None if name == "old" else path.stat().st_mtime_ns,
            "output_sha256": provenance.file_hash(path),
        }
        entries[name] = replace(entries[name], **written)
        if name != "kept":
            path.write_bytes(b"4321" if name in ("edited", "old") else b"1234")
            os.utime(path, ns=(1, 1))
    assert todo(planned(tmp_path, tracks, entries)) == {"edited"}


def test_finished_files_are_kept(tmp_path: Path) -> None:
    tracks, entries = made(tmp_path, "a", "b")
    found = planned(tmp_path, tracks, {"a": entries["a"]})
    assert todo(found) == {"b"}
    assert found.kept == {"a": entries["a"]}
    assert found.todo[0].seconds == pytest.approx(0.1)


@pytest.mark.parametrize(
    "change", ["signature", "weights", "input", "gone", "cut", "layout", "force"]
)
def test_what_differs_is_done_again(tmp_path: Path, change: str) -> None:
    tracks, entries = made(tmp_path, "a", "b")
    more: dict[str, Any] = {}
    if change == "input":
        save(noise(0.1, seed=9), tracks[0].path)
    elif change == "gone":
        (tmp_path / "out/cleaned/a.wav").unlink()
    elif change == "cut":
        (tmp_path / "out/cleaned/a.wav").write_bytes(b"12")
    elif change == "layout":
        more = {"layout": "tree"}
    elif change == "force":
        more = {"force": True}
    else:
        fields: dict[str, Any] = {change: "other"}
        entries["a"] = replace(entries["a"], **fields)
    expected = {"a", "b"} if change in ("layout", "force") else {"a"}
    assert todo(planned(tmp_path, tracks, entries, **more)) == expected


def test_a_copy_of_the_inputs_is_the_same_data(tmp_path: Path) -> None:
    tracks, entries = made(tmp_path, "a")
    os.utime(tracks[0].path, ns=(1, 1))
    assert not planned(tmp_path, tracks, entries).todo


def test_failures_are_tried_again_on_request_or_when_their_input_changes(tmp_path: Path) -> None:
    tracks, entries = made(tmp_path, "a", "b", "c")
    failed = FileResult.failure("a", str(tracks[0].path), "why", "cleaned/a.wav")
    entries["a"] = replace(entries["a"], result=failed)
    (tmp_path / "out/cleaned/a.wav").unlink()
    del entries["c"]
    assert todo(planned(tmp_path, tracks, entries)) == {"c"}
    found = planned(tmp_path, tracks, entries, only="failed")
    assert todo(found) == {"a"}, "what has not been done yet stays undone"
    save(noise(0.2), tracks[0].path)
    assert todo(planned(tmp_path, tracks, entries)) == {"a", "c"}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    track = Track("p", tmp_path / "pipe.wav")
    known = entry(
        "p", Status.FAILED, path=str(track.path), input=Input(None, 0, 1), output="cleaned/p.wav"
    )
    assert not planned(tmp_path, [track], {"p": known}).todo
    assert todo(planned(tmp_path, [track], {})) == {"p"}


def test_longest_first_and_streams_last(tmp_path: Path) -> None:
    tracks: list[Track] = []
    for name, seconds in (("short", 0.1), ("stream", 3.0), ("middle", 0.5), ("long", 1.0)):
        save(noise(seconds), tmp_path / f"{name}.wav")
        tracks.append(Track(name, tmp_path / f"{name}.wav"))
    (tmp_path / "bad.wav").write_text("no sound")
    tracks.append(Track("bad", tmp_path / "bad.wav"))
    found = planned(tmp_path, tracks, {}, stream_above_s=2)
    assert [task.alias for task in found.todo] == ["long", "middle", "short", "bad", "stream"]


def test_the_identity_is_of_all_that_an_output_and_its_row_depend_on(
    config: dict[str, Any],
) -> None:
    before = record.identity(config, {})
    assert record.identity({**config, "seed": 1}, {}).signature != before.signature
    assert record.identity({**config, "metrics": {}}, {}).signature != before.signature, (
        "its row would lack what is asked for"
    )
    for key, value in (
        ("batch", {}),
        ("delivery", {"x": 1}),
        ("name", "other"),
        ("dataset", {}),
        ("tracking", {}),
    ):
        assert record.identity({**config, key: value}, {}) == before
