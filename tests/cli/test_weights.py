"""`speechclean weights` where users run it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from contextvars import ContextVar
from pathlib import Path

import pytest
import yaml
from demucs.states import save_with_checksum, serialize_model
from diffq import DiffQuantizer
from omegaconf import OmegaConf

from speechclean.audio.sound_files import probe, save
from speechclean.cli import weights as command
from tests.conftest import noise, tiny_hdemucs, tiny_htdemucs
from tests.networks.weights.server import Publisher, serving
from tests.support.paths import ROOT
from tests.support.published_weights import save_safetensors


@pytest.fixture(autouse=True)
def _bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCH_HOME", "HF_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("SPEECHCLEAN_WEIGHTS", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(
        "speechclean.networks.weights.search_path._preferred", ContextVar("preferred", default=())
    )


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
            name: {
                "choose": f"separators=[{name}]",
                "licence": "MIT",
                "files": [{"sources": [{"url": at, "sha256": sha}]}],
            }
            for name, (at, sha) in sources.items()
        }
        (tmp_path / "table.yaml").write_text(yaml.safe_dump(table))
        more = ("--table", tmp_path / "table.yaml", "--dir", tmp_path / "mine")
        assert call(capsys, "fetch", "a", "b", *more)[0] == 0
        status, _, error = call(capsys, "fetch", "a", "c", *more)
        assert (
            status,
            error.count("\n") >= 1,
            "404" in error,
            "a.th is here, verified" in error,
        ) == (1, True, True, True)
    status, out, _ = call(capsys, "list", *more)
    assert status == 0
    assert [
        word in out for word in ("1 verified", "1 as fetched", "1 missing", "separators=[a]")
    ] == [True] * 4
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
    assert {line.split()[0] for line in out.splitlines()[1:]} == {
        "htdemucs_ft",
        "mdx_extra_q",
        "dns64",
        "resemblyzer",
        "dnsmos",
        "distillmos",
        "whisper_base_ct2",
    }


def test_the_default_config_names_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    """On a bare machine all that it needs is missing."""
    status, out, _ = call(capsys, "list", "default")
    assert status == 0
    assert "whisper_base_ct2" in {line.split()[0] for line in out.splitlines()[1:]}
    assert "htdemucs_ft" not in out


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


def test_what_no_publisher_states_is_noted_and_held_against_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `sha256sum -c` reads it; a folder that is copied takes it along."""
    publisher = Publisher()
    publisher.files |= {"/a.pt": b"one" * 1000, "/b.pt": b"two" * 1000}
    with serving(publisher) as url:
        table = {name: {"files": [{"sources": [{"url": f"{url}/{name}.pt"}]}]} for name in "ab"}
        (tmp_path / "table.yaml").write_text(yaml.safe_dump(table))
        more = ("--table", tmp_path / "table.yaml", "--dir", tmp_path / "mine")
        assert call(capsys, "fetch", "a", "b", *more)[0] == 0
    subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path / "mine", check=True
    )
    (tmp_path / "mine").rename(tmp_path / "copied")
    more = (*more[:3], tmp_path / "copied")
    assert call(capsys, "list", *more)[1].count("1 as fetched") == 2
    assert call(capsys, "verify", *more)[0] == 0
    (tmp_path / "copied" / "b.pt").write_bytes(b"rotten")
    status, out, _ = call(capsys, "verify", *more)
    assert status == 1
    assert "damaged    b:" in out


@pytest.mark.slow
def test_from_list_to_a_finished_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The hub is down, the legacy server breaks off once; what comes is quantised as published, and
    a run cleans with it."""
    (tmp_path / "made").mkdir()
    network = tiny_hdemucs(("drums", "bass", "other", "vocals"), 2)
    state = DiffQuantizer(network, group_size=4, min_size=0.001).get_quantized_state() | {
        "__quantized": True
    }
    package = serialize_model(network, OmegaConf.create({})) | {"state": state}
    save_with_checksum(package, tmp_path / "made" / "75fc33f5.th")
    (made,) = (tmp_path / "made").iterdir()
    publisher = Publisher()
    publisher.files[f"/{made.name}"], publisher.broken[f"/{made.name}"] = made.read_bytes(), 1
    weights, small = (
        tmp_path / "weights",
        ("enhancement=identity", "metrics=[]", "output.plots=false", "tracking=none"),
    )
    run = [
        sys.executable,
        "-m",
        "speechclean",
        "separators=[hdemucs_mmi]",
        *small,
        "hydra.run.dir=out",
        f"weights.dir={weights}",
    ]
    run += ["dataset=folder", "dataset.pattern=in.wav"]
    save(noise(0.5, 16000), tmp_path / "in.wav")
    settings = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        run, env=settings, cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 2
    assert "speechclean weights fetch hdemucs_mmi" in done.stderr
    with serving(publisher) as url:
        prefix = made.stem.rpartition("-")[2]
        sources = [
            {"url": "http://127.0.0.1:9/75fc33f5.safetensors"},
            {"url": f"{url}/{made.name}", "sha256": prefix},
        ]
        (tmp_path / "table.yaml").write_text(
            yaml.safe_dump({"hdemucs_mmi": {"files": [{"sources": sources}]}})
        )
        more = ("--table", tmp_path / "table.yaml", "--dir", weights)
        assert "1 missing" in call(capsys, "list", *more)[1]
        assert call(capsys, "fetch", "hdemucs_mmi", *more)[0] == 0
        assert len(publisher.seen) == 2, "once broken off, once resumed"
    assert "1 verified" in call(capsys, "list", *more)[1]
    assert [path.name for path in weights.iterdir()] == [made.name]
    done = subprocess.run(
        run, env=settings, cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert probe(tmp_path / "out/cleaned/in.wav") == probe(tmp_path / "in.wav")


def isolated() -> list[str]:
    """A command that runs another one in a network namespace of its own, in which nothing is up."""
    line = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    try:
        possible = subprocess.run([*line, "true"], capture_output=True, timeout=10).returncode == 0
    except OSError:
        possible = False
    if not possible:
        pytest.skip("no network namespace can be made here (unshare)")
    return line


@pytest.mark.slow
@pytest.mark.parametrize("how", ["dead proxy", "network namespace"])
def test_without_a_network(how: str, tmp_path: Path) -> None:
    """`fetch` says so in one line, at once; `list`, `verify` and a run on weights that are here
    work."""
    dead = dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
    )
    without = [] if how == "dead proxy" else isolated()
    folder = tmp_path / "weights"
    folder.mkdir()
    environment = (
        os.environ | (dead if how == "dead proxy" else {}) | {"SPEECHCLEAN_WEIGHTS": str(folder)}
    )
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [*without, sys.executable, "-m", *arguments]
        return subprocess.run(
            line, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240
        )

    for names in (
        ["htdemucs_ft"],
        ["--experiment", "best_pipeline"],
        ["whisper-base.en", "panns-cnn14"],
    ):
        done = subprocess.run(
            [*without, sys.executable, "-m", "speechclean.weights", "fetch", *names],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1, done.stderr
        assert "there is no network: " in done.stderr
        assert not list(folder.iterdir())
    save_safetensors(
        tiny_htdemucs(("drums", "bass", "other", "vocals"), 2), folder / "955717e8.safetensors"
    )
    assert "1 unverified" in run("speechclean.weights", "list", "htdemucs").stdout
    assert "955717e8.safetensors" in run("speechclean.weights", "verify", "htdemucs").stdout
    save(noise(0.5, 16000), tmp_path / "in.wav")
    if how == "dead proxy":  # a run would not ask it anything else
        return
    small = (
        "enhancement=identity",
        "metrics=[]",
        "output.plots=false",
        "tracking=none",
        "hydra.run.dir=out",
    )
    done = run(
        "speechclean", "separators=[htdemucs]", *small, "dataset=folder", "dataset.pattern=in.wav"
    )
    assert done.returncode == 0, done.stderr
    assert probe(tmp_path / "out/cleaned/in.wav") == probe(tmp_path / "in.wav")
