"""Archives: the same content, the same bytes; whole, checkable, and nothing in them of where they
were made."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from speechclean.cli import deliver
from speechclean.experiment.batch import BatchError
from speechclean.experiment.batch.delivery import Delivered, Tar, Zip
from speechclean.experiment.batch.ledger import Ledger
from speechclean.records.file_result import Status
from tests.experiment.batch.conftest import entry


def batch(folder: Path, mtime: int = 1) -> list[Delivered]:
    entries = []
    for number, name in enumerate(("b", "sub/ünï 音", "a")):
        path = folder / "cleaned" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]) * 700_000)
        os.utime(path, (mtime, mtime))
        digest = sha256(path.read_bytes()).hexdigest()
        entries.append(
            entry(
                name,
                output=f"cleaned/{name}.wav",
                output_sha256=digest,
                output_size=700_000,
                path=f"{folder}/in/{name}",
                measures={"lufs_cleaned": -20.5},
                stage_seconds={"fusion": mtime / 7},
                took_s=float(mtime),
            )
        )
    reason = f"{folder}/in/bad.wav: truncated"
    entries.append(
        entry(
            "bad",
            Status.FAILED,
            path=f"{folder}/in/bad.wav",
            reason=reason,
        )
    )
    return [(folder, one) for one in entries]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_the_same_content_gives_the_same_bytes(tmp_path: Path, kind: str) -> None:
    made = []
    for number, folder in enumerate((tmp_path / "one", tmp_path / "other")):
        entries = batch(folder, mtime=1_000_000 * (number + 1))
        delivery = Zip() if kind == "zip" else Tar(shard_mib=1)
        made.append(
            [path.read_bytes() for path in delivery.pack(entries[::-1] if number else entries)]
        )
    assert made[0] == made[1]
    assert str(tmp_path).encode() not in b"".join(made[0])


def test_a_zip_is_whole_and_can_be_checked(tmp_path: Path) -> None:
    (path,) = Zip(str(tmp_path / "to" / "x.zip")).pack(batch(tmp_path))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "there")
        rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode())))
    done = subprocess.run(
        ["sha256sum", "-c", "checksums.sha256"],
        cwd=tmp_path / "there",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(b": OK") == 5
    assert sorted(row["status"] for row in rows) == ["cleaned", "cleaned", "cleaned", "failed"]
    assert [row["reason"] for row in rows if row["status"] == "failed"] == ["bad.wav: truncated"]


def test_shards_hold_each_file_once_with_the_tables_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "delivery").mkdir()
    (tmp_path / "delivery" / "00009.tar").write_bytes(b"of a longer one")
    paths = Tar(shard_mib=1).pack(batch(tmp_path))
    assert [path.name for path in paths] == ["00000.tar", "00001.tar", "00002.tar"]
    assert sorted(path.name for path in (tmp_path / "delivery").iterdir()) == [
        path.name for path in paths
    ]
    sounds = []
    for path in paths:
        with tarfile.open(path) as archive:
            names = archive.getnames()
            member = archive.extractfile("manifest.csv")
            assert member
            listed = [
                row["file"]
                for row in csv.DictReader(io.StringIO(member.read().decode()))
                if row["file"]
            ]
        assert [name for name in names if name.endswith(".wav")] == listed
        sounds += listed
    assert sorted(sounds) == sorted(f"cleaned/{name}.wav" for name in ("a", "b", "sub/ünï 音"))


def test_what_was_damaged_since_is_not_delivered(tmp_path: Path) -> None:
    entries = batch(tmp_path)
    entries[0] = (
        tmp_path,
        replace(entries[0][1], result=replace(entries[0][1].result, output="cleaned/gone.wav")),
    )
    with pytest.raises(OSError, match="gone"):
        Zip().pack(entries)
    assert not list(tmp_path.rglob("*.zip"))


def test_batches_of_several_shards_in_one_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for number, some in enumerate((slice(0, 2), slice(2, 4))):
        folder = tmp_path / f"shard{number}"
        entries = [one for _, one in batch(folder)[some]]
        with Ledger(folder) as ledger:
            ledger.append(entries)
    (whole,) = Zip(str(tmp_path / "whole.zip")).pack(batch(tmp_path / "whole"))
    shards = [str(tmp_path / "shard1"), str(tmp_path / "shard0")]
    monkeypatch.setattr(sys, "argv", ["deliver", str(tmp_path / "parts.zip"), *shards])
    deliver.main()
    assert (tmp_path / "parts.zip").read_bytes() == whole.read_bytes()
    monkeypatch.setattr(sys, "argv", ["deliver", str(tmp_path / "twice.zip"), *shards, shards[0]])
    with pytest.raises(SystemExit):
        deliver.main()
    assert "in 2 of these folders" in capsys.readouterr().err
    assert not (tmp_path / "twice.zip").exists()


@pytest.mark.parametrize("kind", [Zip, Tar])
def test_what_is_not_as_it_was_written_is_not_packed(tmp_path: Path, kind: Any) -> None:
    folder = tmp_path / "batch"
    entries = batch(folder)
    (folder / "cleaned" / "a.wav").write_bytes(b"edited".ljust(700_000))
    (tmp_path / "secret").write_bytes(bytes([0]) * 700_000)
    (folder / "cleaned" / "b.wav").unlink()
    (folder / "cleaned" / "b.wav").symlink_to(tmp_path / "secret")
    with pytest.raises(BatchError, match=r"b.wav leads out .*a.wav is not as it was written"):
        kind(str(tmp_path / "to")).pack(entries)
    assert not (tmp_path / "to").exists()
