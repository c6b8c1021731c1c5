"""Whatever one file is or does, it costs itself alone, in an ordinary run and in a batch."""

from __future__ import annotations

import csv
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechclean.audio.sound_files import probe, save
from tests.conftest import noise
from tests.integration.conftest import environment
from tests.support.films import film, tones
from tests.support.paths import ROOT

QUICK = ("separators=[embedded_hdemucs_q]", "enhancement=identity", "tracking=none")
LEAN = (*QUICK, "metrics=[lufs]", "output.report=false", "dataset=folder", "dataset.pattern=in")
#: What is said of each file that cannot be cleaned.
REASONS = {
    "device": "is not a regular file",
    "pipe": "is not a regular file",
    "socket": "is not a regular file",
    "promises": "truncated, 8000 of 68719476735 samples are there",
    "one_hertz": "a sample rate of 1 Hz",
    "inflates": "decodes to more than 0.002 GB",
}


def hostile(folder: Path) -> None:
    """`REASONS`' files in a folder `in`, two that are well, and two that are only odd."""
    (folder / "in").mkdir()
    good = save(noise(0.5, 16000), folder / "in/a_good.wav")
    (folder / "in/z_good.wav").write_bytes(good.read_bytes())
    os.mkfifo(folder / "in/pipe.wav")
    (folder / "in/device.wav").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(folder / "in")  # names of sockets are short
        one.bind("socket.wav")
        os.chdir(here)
    flac = folder / "in/promises.flac"
    soundfile.write(flac, noise(0.5, 16000).waveform[0].numpy(), 16000)
    head = bytearray(flac.read_bytes())
    head[21:26] = bytes([head[21] | 0x0F]) + b"\xff" * 4
    flac.write_bytes(head)
    soundfile.write(folder / "in/one_hertz.wav", np.full(20000, 0.1), 1)
    soundfile.write(folder / "in/inflates.flac", np.zeros((300000, 2)), 16000)
    soundfile.write(folder / "in/denormal.wav", np.full(8000, 1e-40, "f4"), 16000, "FLOAT")
    latin = os.fsencode(folder) + b"/in/M\xfcller.wav"
    Path(os.fsdecode(latin)).write_bytes(good.read_bytes())


def run(folder: Path, *arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "speechclean", *LEAN, *arguments],
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
        **more,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize(
    "batch",
    [pytest.param(False, id="run"), pytest.param(True, id="batch", marks=pytest.mark.slow)],
)
def test_each_costs_itself_alone_and_says_why(tmp_path: Path, batch: bool) -> None:
    hostile(tmp_path)
    own = ("batch=local", "batch.out=out") if batch else ("hydra.run.dir=out",)
    done = run(tmp_path, *own, "max_decoded_gb=0.002")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    with (tmp_path / "out/metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["alias"]: row for row in csv.DictReader(file)}
    assert len(rows) == len(REASONS) + 4
    failed = {alias: row["reason"] for alias, row in rows.items() if row["status"] == "failed"}
    assert failed.keys() == REASONS.keys()
    for alias, words in REASONS.items():
        assert words in failed[alias]
    for alias in rows.keys() - failed.keys():
        assert (tmp_path / f"out/cleaned/{alias}.wav").is_file()


@pytest.mark.slow
def test_a_batch_reads_films_and_names_the_broken_one(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, codec, rate in [("a.m4a", "aac", 24000), ("b.webm", "libopus", 48000)]:
        film(tmp_path / "in" / name, codec, tones(2, rate), rate, picture="libvpx" * (rate > 24000))
    whole = (tmp_path / "in/b.webm").read_bytes()
    (tmp_path / "in/c.webm").write_bytes(whole[: len(whole) // 2])
    done = run(tmp_path, "batch=local", "batch.out=out", "stream_above_s=1")
    assert done.returncode == 1, done.stdout + done.stderr
    with (tmp_path / "out/metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["alias"]: row for row in csv.DictReader(file)}
    assert {alias: row["status"] for alias, row in rows.items()} == {
        "a": "cleaned",
        "b": "cleaned",
        "c": "failed",
    }
    assert "c.webm: truncated, its header promises" in rows["c"]["reason"]
    for alias, rate in (("a", 24000), ("b", 48000)):
        info = probe(tmp_path / f"out/cleaned/{alias}.wav")
        assert (info.sample_rate, info.samples) == (rate, 2 * rate)


@pytest.mark.slow
def test_an_output_for_which_the_disk_has_no_room_costs_one_file(tmp_path: Path) -> None:
    for name, seconds in {"a": 0.5, "m": 20.0, "z": 0.5}.items():
        save(noise(seconds, 16000), tmp_path / f"in/{name}.wav")

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    views = ("output.plots=false", "output.ab_seconds=0")
    done = run(tmp_path, "hydra.run.dir=out", *views, preexec_fn=small)
    assert done.returncode == 1, done.stderr
    assert "m.wav: its outputs cannot be written ([Errno 27] File too large" in done.stderr
    cleaned = {path.stem for path in (tmp_path / "out/cleaned").iterdir()}
    assert cleaned == {"a", "z"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "batch", [("hydra.run.dir=out",), ("batch=local", "batch.out=out")], ids=["run", "batch"]
)
def test_a_working_folder_may_be_no_unicode(tmp_path: Path, batch: tuple[str, ...]) -> None:
    folder = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9"))
    save(noise(0.5, 16000), folder / "in" / "a.wav")
    done = run(folder, "dataset=folder", "dataset.pattern=in", *batch)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "out" / "cleaned" / "a.wav").is_file()
    assert "caf\\udce9" in (folder / "out" / ".hydra" / "hydra.yaml").read_text()


@pytest.mark.parametrize("words", [[], ["--debug"]])
def test_an_error_that_nobody_foresaw_has_a_status_of_its_own(
    words: list[str], tmp_path: Path
) -> None:
    script = (
        "import sys\n"
        "from speechclean.cli.endings import quiet_on_closed_pipe\n"
        "@quiet_on_closed_pipe\n"
        "def main():\n"
        "    assert sys.argv[1:] == ['overlap=0.5'], 'who reads the option?'\n"
        "    raise ZeroDivisionError('postgresql://me:hush@host/db')\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words, "overlap=0.5"],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 70
    assert "ZeroDivisionError: postgresql://" in done.stderr
    assert "hush" not in done.stderr
    assert ("Traceback" in done.stderr) == bool(words)
    assert ("please report it, with the traceback that --debug shows" in done.stderr) != bool(words)
