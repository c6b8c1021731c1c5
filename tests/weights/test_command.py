"""`speechclean-weights` where users run it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from speechclean.weights import __main__ as command
from tests.weights.server import Publisher, serving


@pytest.fixture(autouse=True)
def _bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCH_HOME", "HF_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("SPEECHCLEAN_WEIGHTS", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("speechclean.weights.places._preferred", [])


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        command.main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_fetch_verify_and_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publisher, content = Publisher(), b"weights" * 1000
    publisher.files["/a.th"] = publisher.files["/b.th"] = content
    with serving(publisher) as url:
        sources = {
            "a": (f"{url}/a.th", hashlib.sha256(content).hexdigest()),
            "b": (f"{url}/b.th", None),
            "c": (f"{url}/c.th", None),
        }
        table = {
            name: {"choose": f"separators=[{name}]", "licence": "MIT", "files": [{"sources": [{"url": at, "sha256": sha}]}]}
            for name, (at, sha) in sources.items()
        }
        (tmp_path / "table.yaml").write_text(yaml.safe_dump(table))
        more = ("--table", tmp_path / "table.yaml", "--dir", tmp_path / "mine")
        assert call(capsys, "fetch", "a", "b", *more)[0] == 0
        status, _, error = call(capsys, "fetch", "a", "c", *more)
        assert (status, error.count("\n") >= 1, "404" in error, "a.th is here, verified" in error) == (1, True, True, True)
    status, out, _ = call(capsys, "list", *more)
    assert status == 0
    assert [word in out for word in ("1 verified", "1 unverified", "1 missing", "separators=[a]")] == [True] * 4
    assert call(capsys, "verify", *more)[0] == 0
    (tmp_path / "mine" / "a.th").write_bytes(b"changed")
    status, out, _ = call(capsys, "verify", *more)
    assert status == 1
    assert f"damaged    a: {tmp_path}/mine/a.th" in out
    status, out, _ = call(capsys, "where", *more)
    assert out.splitlines()[0] == f"{tmp_path}/mine"


def test_an_experiment_names_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capsys, "list", "--experiment", "best_pipeline")
    assert status == 0
    assert {line.split()[0] for line in out.splitlines()[1:]} == {"htdemucs_ft", "mdx_extra_q", "dns64"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "htdemucs_tf"], "did you mean"),
        (["list", "--experiment", "worst"], "worst"),
        (["list", "--table", "no"], "no: not a"),
    ],
)
def test_wrong_words(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, error = call(capsys, *arguments)
    assert status == 2
    assert said in error


def test_without_a_network(tmp_path: Path) -> None:
    """A proxy where nobody listens: `fetch` says so in one line, the rest works."""
    dead = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = os.environ | dead | {"SPEECHCLEAN_WEIGHTS": str(tmp_path)}
    run = [sys.executable, "-m", "speechclean.weights"]
    done = subprocess.run([*run, "fetch", "htdemucs_ft"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "no network" in done.stderr
    assert list(tmp_path.glob("*.th*")) == []
    for action in ("list", "verify"):
        assert subprocess.run([*run, action], env=environment, capture_output=True, timeout=60).returncode == 0
