"""Waiting for what another process does, never longer than is sensible."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

POLL_S = 0.02
#: How long a test waits for whatever another process does, in seconds. Nothing takes so long, on a
#: machine with ten times as much to do as it has cores either: it is there for what hangs.
LIMIT_S = 900.0


def wait_for(
    ready: Callable[[], object], process: subprocess.Popen[Any], seconds: float = LIMIT_S
) -> None:
    """Return as soon as something holds or the process has ended.

    Raises TimeoutError where neither happens within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not ready() and process.poll() is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready after {seconds:g} s, and the process still runs")
        time.sleep(POLL_S)
