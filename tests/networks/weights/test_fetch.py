"""What is fetched is whole and right, or not there; an interruption costs what is left, not what
was done."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from speechclean.networks.weights import fetch as module
from speechclean.networks.weights.fetch import fetch
from speechclean.networks.weights.fetch_errors import FetchError, NoNetwork
from speechclean.networks.weights.registry import File, Source
from tests.networks.weights.server import Publisher, serving

CONTENT = random.Random(0).randbytes(700_001)
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Publisher:
    monkeypatch.setattr("speechclean.networks.weights.fetch.time.sleep", lambda _: None)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Publisher()
    made.files["/x.th"] = CONTENT
    return made


@pytest.fixture
def url(publisher: Publisher) -> Iterator[str]:
    with serving(publisher) as address:
        yield address


def only(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_with_progress_and_nothing_else_is_left(url: str, tmp_path: Path) -> None:
    heard: list[tuple[int, int | None]] = []
    path = fetch(
        File((Source(f"{url}/x.th", SHA[:8]),)),
        tmp_path / "new",
        lambda done, total: heard.append((done, total)),
    )
    assert path.read_bytes() == CONTENT
    assert only(tmp_path / "new") == ["x.th"]
    assert heard[0] == (0, len(CONTENT))
    assert heard[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_connections_are_resumed(
    publisher: Publisher, url: str, tmp_path: Path, ranges: bool
) -> None:
    publisher.broken["/x.th"], publisher.ranges = 3, ranges
    assert fetch(File((Source(f"{url}/x.th", SHA),)), tmp_path).read_bytes() == CONTENT
    assert len(publisher.seen) == 4
    start = int((publisher.seen[1][1] or "").removeprefix("bytes=").rstrip("-"))
    assert len(CONTENT) // 2 - module.PIECE < start <= len(CONTENT) // 2


def test_a_broken_one_is_kept_for_the_next_time(
    publisher: Publisher, url: str, tmp_path: Path
) -> None:
    publisher.broken["/x.th"] = module.ATTEMPTS
    with pytest.raises(FetchError, match="cut off, 4 times; what came is kept"):
        fetch(File((Source(f"{url}/x.th", SHA),)), tmp_path)
    assert only(tmp_path) == ["x.th.part"]
    assert fetch(File((Source(f"{url}/x.th", SHA),)), tmp_path).read_bytes() == CONTENT
    assert only(tmp_path) == ["x.th"]


def test_wrong_content_never_gets_its_name(url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=f"wrong content: its sha256 is {SHA[:16]}"):
        fetch(File((Source(f"{url}/x.th", "0" * 8),)), tmp_path)
    assert only(tmp_path) == []


def test_a_part_of_another_version_is_thrown_away(url: str, tmp_path: Path) -> None:
    for wrong in (b"!" * 1000, b"!" * len(CONTENT), b"!" * (len(CONTENT) + 5)):
        (tmp_path / "x.th").unlink(missing_ok=True)
        (tmp_path / "x.th.part").write_bytes(wrong)
        assert fetch(File((Source(f"{url}/x.th", SHA),)), tmp_path).read_bytes() == CONTENT


def test_without_a_promise_only_a_part_of_the_right_length_is_taken(
    publisher: Publisher, url: str, tmp_path: Path
) -> None:
    (tmp_path / "x.th.part").write_bytes(CONTENT + b"!")
    assert fetch(File((Source(f"{url}/x.th"),)), tmp_path).read_bytes() == CONTENT
    publisher.headers["Content-Type"] = "text/html; charset=utf-8"
    with pytest.raises(FetchError, match="sent a web page"):
        fetch(File((Source(f"{url}/x.th"),)), tmp_path / "other")
    assert only(tmp_path / "other") == []


def test_the_hubs_header_is_believed(publisher: Publisher, url: str, tmp_path: Path) -> None:
    publisher.headers["X-Linked-Etag"] = f'"{"0" * 64}"'
    with pytest.raises(FetchError, match="wrong content"):
        fetch(File((Source(f"{url}/x.th"),)), tmp_path)
    publisher.headers["X-Linked-Etag"] = f'"{SHA}"'
    assert fetch(File((Source(f"{url}/x.th"),)), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("wrong", ["404", "503", "down", "content"])
def test_the_next_source_is_tried(
    publisher: Publisher, url: str, tmp_path: Path, wrong: str
) -> None:
    publisher.files["/hub.safetensors"] = b"not it"
    publisher.status["/hub.safetensors"] = {"404": 404, "503": 503}.get(wrong, 200)
    hub = "http://127.0.0.1:9/hub.safetensors" if wrong == "down" else f"{url}/hub.safetensors"
    path = fetch(File((Source(hub, "1" * 64), Source(f"{url}/x.th", SHA))), tmp_path)
    assert path.name == "x.th"
    assert only(tmp_path) == ["x.th"]


def test_every_source_says_its_reason(url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"no network.*; .*/gone\.th: the server answers 404"):
        fetch(File((Source("http://127.0.0.1:9/a.th"), Source(f"{url}/gone.th"))), tmp_path)


def test_a_server_that_never_answers_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It takes the connection, and that is all: half a minute for both sources of a file, and no
    more for all others."""
    assert 2 * module.ANSWER_S < 30
    monkeypatch.setattr(module, "ANSWER_S", 0.3)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as dead:
        address = f"http://127.0.0.1:{dead.getsockname()[1]}/x.th"
        with pytest.raises(NoNetwork, match=r"there is no network: 127\.0\.0\.1 cannot be reached"):
            fetch(File((Source(address), Source(address))), tmp_path)
    assert only(tmp_path) == []


def test_killed_twenty_times(publisher: Publisher, url: str, tmp_path: Path) -> None:
    """SIGKILL at random times, then a start that is left alone: a verified file, and no other."""
    publisher.files["/x.th"] = content = random.Random(1).randbytes(3_000_000)
    publisher.slow_s = 0.01
    table = {"m": {"choose": "", "licence": "", "files": [{"sources": [{"url": f"{url}/x.th"}]}]}}
    table["m"]["files"][0]["sources"][0]["sha256"] = hashlib.sha256(content).hexdigest()  # type: ignore[index]
    (tmp_path / "table.yaml").write_text(yaml.safe_dump(table))
    code = (
        "import sys; from pathlib import Path; "
        "from speechclean.networks.weights import fetch, registry; print(flush=True); "
        "fetch.fetch(registry.models(Path(sys.argv[1]))['m'].files[0], Path(sys.argv[2]))"
    )
    folder, chance = tmp_path / "weights", random.Random(2)
    command = [sys.executable, "-c", code, str(tmp_path / "table.yaml"), str(folder)]
    for _ in range(20):
        # Forked, not started anew: the imports would cost twenty times two seconds.
        child = os.fork()
        if not child:
            from speechclean.networks.weights.registry import models

            try:
                fetch(models(tmp_path / "table.yaml")["m"].files[0], folder)
            finally:
                os._exit(0)  # whatever it raised: it must not go on as a second pytest
        time.sleep(chance.uniform(0.005, 0.1))
        os.kill(child, 9)
        os.waitpid(child, 0)
    subprocess.run(command, check=True, capture_output=True)
    assert only(folder) == ["x.th"]
    assert (folder / "x.th").read_bytes() == content
