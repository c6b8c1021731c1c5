"""Real MLflow servers of one's own, on ports of their own: for tests, drills and pictures."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speechclean.records.tracking import MlflowTracker

START_S = 120.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(
    uri: str, port: int | None = None, artifacts: Path | None = None, cwd: Path | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server on the store `uri` that answers already, and its address; gone after the block,
    however that ends."""
    port = port or free_port()
    line = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        uri,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    line += ["--artifacts-destination", str(artifacts)] if artifacts else []
    quiet = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(
        line,
        env=quiet,
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        kill(process)


@contextmanager
def tracking_server(
    folder: Path, port: int | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The same on `server.db` in a folder, which keeps the files of runs too."""
    uri = f"sqlite:///{folder}/server.db"
    MlflowTracker(uri).check()  # the server's own creation of it takes twice as long
    with mlflow_server(uri, port, folder / "kept") as made:
        yield made


def kill(server: subprocess.Popen[bytes]) -> None:
    """The server and its workers at once, as a power cut would."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
