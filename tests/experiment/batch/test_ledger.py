"""The ledger survives whatever ends its process, and nothing in it is ever lost or believed
twice."""

from __future__ import annotations

import base64
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from speechclean.experiment.batch import Occupied, folder_lock
from speechclean.experiment.batch.ledger import Ledger
from speechclean.experiment.batch.task import Entry
from speechclean.records.file_result import Status
from tests.experiment.batch.conftest import entry


def test_what_is_appended_is_read_again_the_last_line_counting(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append([entry("a"), entry("b", Status.FAILED, reason="why\nso")])
        ledger.append([entry("a", took_s=2.5)])
        assert ledger.entries["a"].took_s == 2.5
    with Ledger(tmp_path) as again:
        assert again.entries == {
            "a": entry("a", took_s=2.5),
            "b": entry("b", Status.FAILED, reason="why\nso"),
        }
    assert len(ledger.path.read_bytes().splitlines()) == 3


@pytest.mark.parametrize("length", [1, 40, -1])
def test_a_torn_last_line_costs_itself_alone(
    tmp_path: Path, length: int, caplog: pytest.LogCaptureFixture
) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append([entry("a")])
    with ledger.path.open("ab") as file:
        file.write(entry("b").to_json().encode()[:length])
    before = ledger.path.read_bytes()
    with Ledger(tmp_path) as again:
        assert set(again.entries) == {"a"}
        again.append([entry("c")])
    assert "torn" in caplog.text
    assert ledger.path.read_bytes().startswith(before), "nothing is rewritten"
    with Ledger(tmp_path) as third:
        assert set(third.entries) == {"a", "c"}


def test_a_line_whose_end_alone_is_missing_is_whole(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text(entry("a").to_json())
    with Ledger(tmp_path) as ledger:
        ledger.append([entry("b")])
    with Ledger(tmp_path) as again:
        assert set(again.entries) == {"a", "b"}


def test_lines_of_others_are_passed_over(tmp_path: Path) -> None:
    newer = json.loads(entry("a").to_json()) | {"what a later version adds": 1}
    (tmp_path / "ledger.jsonl").write_text(f'[1]\n{{"alias": "x"}}\n\0\0\0\n{json.dumps(newer)}\n')
    with Ledger(tmp_path) as ledger:
        assert ledger.entries == {"a": entry("a")}


@pytest.mark.parametrize(
    "other",
    [
        {"alias": ["a"]},
        {"alias": {}},
        {"alias": "\ud800"},
        {"path": 1},
        {"output": "../secret.txt"},
        {"output": "/etc/hostname"},
        {"output_size": "4"},
        {"took_s": []},
        {"input": {"sha256": "0", "size": "4", "mtime_ns": 5}},
        {"row": {"alias": "b", "lufs_cleaned": "loud"}},
        {"row": [1]},
    ],
)
def test_a_line_that_parses_and_is_no_entry_is_told_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, other: dict[str, object]
) -> None:
    line = json.dumps(json.loads(entry("b").to_json()) | other)
    (tmp_path / "ledger.jsonl").write_text(f"{entry('a').to_json()}\n{line}\n{'[' * 100_000}\n")
    with Ledger(tmp_path) as ledger:
        assert set(ledger.entries) == {"a"}
    assert "2 torn lines skipped" in caplog.text


def test_names_that_are_no_unicode_and_numbers_that_are_none(tmp_path: Path) -> None:
    odd = entry("a", path=os.fsdecode(b"/in/\xff.wav"), measures={"lufs_cleaned": -math.inf})
    with Ledger(tmp_path) as ledger:
        ledger.append([odd])
    with Ledger(tmp_path) as again:
        assert again.entries["a"].result.path == odd.result.path
        assert again.entries["a"].result.measures["lufs_cleaned"] is None
    assert Entry.from_json(odd.to_json()).result.path == odd.result.path


def test_one_process_at_a_time(tmp_path: Path) -> None:
    other = "import sys\nfrom pathlib import Path\n"
    other += "from speechclean.experiment.batch import folder_lock\n"
    other += "with folder_lock.held(Path(sys.argv[1])):\n"
    other += "    print('in', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", other, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "in\n"
    with (
        pytest.raises(Occupied, match=f"process {process.pid} on") as refused,
        folder_lock.held(tmp_path),
    ):
        pass
    assert refused.value.status == 5
    process.kill()
    with folder_lock.held(tmp_path):  # at once: its death is seen
        pass
    process.wait()


#: Sixteen zeros, as a fingerprint keeps its numbers.
SILENT = base64.b64encode(bytes(64)).decode()


def test_a_line_of_the_first_version_is_understood_and_written_the_same() -> None:
    """With the columns and names that ledgers have had since batches began."""
    mark = {"shape": [1, 4], "sha256": "2" * 64, "energy": 0.5, "sketch": SILENT}
    line = {
        "alias": "a", "path": "/in/a.wav", "status": "cleaned", "reason": "",
        "output": "cleaned/a.wav", "signature": "s", "weights": "w",
        "input": {"sha256": "0", "size": 4, "mtime_ns": 5},
        "output_sha256": "1", "output_size": 6, "took_s": 1.5, "finished": "2026-11-01",
        "row": {
            "alias": "a", "path": "/in/a.wav", "status": "cleaned", "reason": "",
            "seconds": 1.0, "sample_rate": 16000, "channels": 1,
            "lufs_mixture": -20.0, "lufs_cleaned": None,
            "verdict": "improved", "wet": 1.0, "separators.x_s": 0.25,
        },
        "mark": mark,
    }  # fmt: skip
    read = Entry.from_json(json.dumps(line))
    assert read.result.stage_seconds == {"separators.x": 0.25}
    assert read.result.fingerprints["output"].to_json() == mark
    assert read.to_json() == json.dumps(line, separators=(",", ":"))
