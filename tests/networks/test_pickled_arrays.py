"""Pickles of numpy are read as data: nothing that a file names is run."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from speechclean.networks import pickled_arrays
from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.pickled_arrays import converted, read


class Attack:
    """What unpickles into a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


def write(path: Path, content: object, protocol: int = 2) -> Path:
    """As torch writes what is no tensor: a zip with a pickle of protocol 2."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{path.stem}/data.pkl", pickle.dumps(content, protocol))
        archive.writestr(f"{path.stem}/version", "3\n")
    return path


@pytest.fixture
def arrays() -> dict[str, Any]:
    chance = np.random.default_rng(0)
    return {
        "a.weight": chance.standard_normal((3, 4, 5)).astype("f4"),
        "by_column": np.asfortranarray(chance.standard_normal((6, 2)).astype("f4")),
    }


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHCLEAN_WEIGHTS", str(tmp_path / "weights"))


def test_arrays_come_as_they_were_written(tmp_path: Path, arrays: dict[str, Any]) -> None:
    path = write(tmp_path / "x.ckpt", arrays)
    for found in (read(path), converted(path), converted(path)):
        assert found.keys() == arrays.keys()
        for key, value in found.items():
            assert torch.equal(value, torch.from_numpy(arrays[key]))


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_a_hostile_pickle_runs_nothing(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "ran"
    for content in (
        Attack(f"touch {mark}"),
        {"a": Attack(f"touch {mark}")},
        {"a": np.array([Attack(f"touch {mark}")], dtype=object)},
    ):
        path = write(tmp_path / "x.ckpt", content, protocol)
        with pytest.raises(CheckpointError, match=r"x\.ckpt: refused, nothing of it was run"):
            converted(path)
    assert not mark.exists()
    assert not (tmp_path / "weights").exists()


def test_the_name_that_a_file_asks_for_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "x.ckpt", {"a": Attack("true")})
    with pytest.raises(CheckpointError, match=r"it names posix\.system"):
        read(path)


@pytest.mark.parametrize(
    "content",
    [
        {},
        [1, 2],
        {"a": 1},
        {"a": "text"},
        {"a": np.zeros(2, "f8")},
        {"a": np.zeros(2, ">f4")},
        {"a": np.zeros(2, "i4")},
        OrderedDict(a=np.zeros(2, "f4")),
        {"a": np.dtype("f4")},
    ],
)
def test_anything_but_arrays_of_float32_by_name_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(CheckpointError, match="not a pickle of plain arrays"):
        read(write(tmp_path / "x.ckpt", content))


def test_a_file_that_breaks_off_is_refused(tmp_path: Path, arrays: dict[str, Any]) -> None:
    path = write(tmp_path / "x.ckpt", arrays)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"x\.ckpt"):
        read(path)
    path.write_bytes(b"<html>sign in</html>")
    with pytest.raises(CheckpointError, match=r"x\.ckpt"):
        read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps(arrays, 2)[:-50])
    with pytest.raises(CheckpointError, match=r"x\.ckpt"):
        read(path)


def test_a_pickle_is_read_once(
    tmp_path: Path, arrays: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x.ckpt", arrays)
    converted(path)
    with monkeypatch.context() as patch:
        patch.setattr(pickled_arrays, "read", None)
        converted(path)
    # Another content under the same name has a conversion of its own.
    write(path, {"a.weight": arrays["a.weight"] + 1})
    assert torch.equal(converted(path)["a.weight"], torch.from_numpy(arrays["a.weight"] + 1))


def test_a_conversion_that_is_not_what_was_written_is_made_again(
    tmp_path: Path, arrays: dict[str, Any]
) -> None:
    path = write(tmp_path / "x.ckpt", arrays)
    converted(path)
    (kept,) = (tmp_path / "weights" / "converted").glob("*.safetensors")
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(content)
    for _ in range(2):
        found = converted(path)
        assert torch.equal(found["by_column"], torch.from_numpy(arrays["by_column"].copy()))


def test_where_nothing_can_be_written_it_is_only_read(
    tmp_path: Path, arrays: dict[str, Any]
) -> None:
    (tmp_path / "weights").write_bytes(b"a file where the folder would be")
    assert converted(write(tmp_path / "x.ckpt", arrays)).keys() == arrays.keys()
