"""Real MLflow servers on free ports, for tests, drills and pictures."""

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

import psutil

from speechclean.records.tracking import MlflowTracker

START_S = 300.0
PORTS_TRIED = 3


def free_port() -> int:
    """A port that nobody listens on at this moment; another process may still take it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(
    uri: str, port: int | None = None, artifacts: Path | None = None, cwd: Path | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server on the store `uri` that answers already, and its address.

    It is killed at the end of the block. Without a `port` it gets a free one, and another one where
    somebody was faster. Raises RuntimeError where it ends by itself, and TimeoutError where it does
    not answer within `START_S`.
    """
    process, address = _answering(uri, port, artifacts, cwd)
    try:
        yield process, address
    finally:
        kill(process)


def _answering(
    uri: str, port: int | None, artifacts: Path | None, cwd: Path | None
) -> tuple[subprocess.Popen[bytes], str]:
    for _ in range(1 if port else PORTS_TRIED):
        chosen = port or free_port()
        process = _started(uri, chosen, artifacts, cwd)
        deadline = time.monotonic() + START_S
        while process.poll() is None:
            if _listens(process, chosen):
                return process, f"http://127.0.0.1:{chosen}"
            if time.monotonic() > deadline:
                kill(process)
                raise TimeoutError(f"MLflow's server does not answer within {START_S:g} s")
            time.sleep(0.1)
    raise RuntimeError(f"MLflow's server on {uri} ended with status {process.returncode}")


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether a process or one below it listens on a port; somebody else's server there is none."""
    try:
        parent = psutil.Process(process.pid)
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for one in [parent, *parent.children(recursive=True)]
            for connection in one.net_connections(kind="inet")
        )
    except psutil.Error:
        return False


def _started(
    uri: str, port: int, artifacts: Path | None, cwd: Path | None
) -> subprocess.Popen[bytes]:
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
    return subprocess.Popen(
        line,
        env=quiet,
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@contextmanager
def tracking_server(
    folder: Path, port: int | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server on `server.db` in a folder, which keeps the files of runs too."""
    uri = f"sqlite:///{folder}/server.db"
    MlflowTracker(uri).prepare()  # the server's own creation of it takes twice as long
    with mlflow_server(uri, port, folder / "kept") as made:
        yield made


def kill(server: subprocess.Popen[bytes]) -> None:
    """Kill the server and its workers at once, as a power cut would."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
