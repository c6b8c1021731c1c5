"""What surrounds a batch and is turned against it: mounts, a tracking server, the clock, memory, names."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

#: Aliases that people, or somebody worse, may write into a table.
ALIASES = (
    *("../../evil", "/etc/evil", "a/../../../b", "..", ".", "", "CON", "x" * 300, "a\\..\\..\\b", "~root", "-rf", ".hidden"),
    *("same", "SAME", "same", "new\nline", "ünï 音声 🎤", "%2e%2e%2fevil", "$(touch pwned)", "nul\x01l", "C:\\evil", "a" * 180),
)
#: 90 s of eight channels at 192 kHz: 0.5 GiB as it is read, and a multiple of it on the way.
HUGE_S, HUGE_RATE, HUGE_CHANNELS = 90, 192000, 8


def bind_read_only(folder: Path) -> Callable[[], None] | None:
    """Make a folder read-only for everybody who opens something in it from now on; what undoes it, None where nobody may."""
    for line in (["mount", "--bind", str(folder), str(folder)], ["mount", "-o", "remount,ro,bind", str(folder)]):
        if subprocess.run(line, check=False, capture_output=True).returncode:
            return None
    return lambda: subprocess.run(["umount", "-l", str(folder)], check=True) and None


@contextmanager
def tracking_server(folder: Path) -> Iterator[tuple[subprocess.Popen, str]]:
    """A real MLflow server on a sqlite store in `folder`, and its address."""
    from speechclean.tracking import MlflowTracker

    MlflowTracker(f"sqlite:///{folder}/server.db").check()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    line = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/server.db"]
    line += ["--artifacts-destination", str(folder / "kept"), "--port", str(port), "--workers", "1"]
    quiet = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(line, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        end(process)


def end(server: subprocess.Popen) -> None:
    """The server and its workers at once."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def faketime() -> str | None:
    """The library that gives a process another time of day; None where it is not installed."""
    found = [path for root in ("/usr/lib", "/usr/local/lib") for path in Path(root).rglob("libfaketime.so.1")]
    return str(found[0]) if found else None


def write_huge(path: Path) -> None:
    """A file that needs more memory than a batch is given."""
    generator = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", HUGE_RATE, HUGE_CHANNELS, "PCM_16") as file:
        for _ in range(HUGE_S):
            file.write(0.1 * generator.standard_normal((HUGE_RATE, HUGE_CHANNELS)).clip(-3, 3))


def hostile_table(base: Path) -> tuple[Path, int]:
    """A table with names that lead elsewhere, and how many rows it has. The last one's folder is called `linked`."""
    sources, listed = base / "sources", base / "table"
    for folder in (sources / "linked", listed / "linked"):
        folder.mkdir(parents=True)
    generator, rows = np.random.default_rng(0), []
    for number, alias in enumerate(ALIASES):
        path = sources / f"{number}.wav"
        soundfile.write(path, 0.1 * generator.standard_normal(6000), 24000)
        rows.append({"path": str(path) if number % 2 else f"../sources/{number}.wav", "alias": alias})
    (listed / "link.wav").symlink_to(sources / "0.wav")
    soundfile.write(listed / "linked" / "x.wav", 0.1 * generator.standard_normal(6000), 24000)
    rows += [{"path": "link.wav", "alias": ""}, {"path": "../sources/linked/../1.wav", "alias": "up"}]
    rows += [{"path": "linked/x.wav", "alias": "through_a_link"}]
    with (listed / "set.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ("path", "alias"))
        writer.writeheader()
        writer.writerows(rows)
    return listed / "set.csv", len(rows)


def snapshot(folder: Path, but: Path) -> set[tuple[str, int, int]]:
    """Every file below a folder, but for those below another one: name, size, time."""
    found = set()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_relative_to(but):
            facts = path.stat()
            found.add((str(path), facts.st_size, facts.st_mtime_ns))
    return found
