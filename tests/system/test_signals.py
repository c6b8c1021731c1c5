"""A signal ends a process as an exception, and never in the middle of a held block."""

from __future__ import annotations

import subprocess
import sys

import pytest

SIGNALLED = """
import os, signal, sys
from speechclean.system.signals import signals_as_exit, signals_held

seen = []
try:
    with signals_as_exit():
        with signals_held():
            with signals_held():
                os.kill(os.getpid(), getattr(signal, sys.argv[1]))
                seen.append("inner")
            seen.append("outer")
        seen.append("beyond")
except BaseException as error:
    seen.append(repr(error))
print(*seen)
"""


@pytest.mark.parametrize(
    ("name", "raised"),
    [
        ("SIGTERM", "SystemExit(143)"),
        ("SIGHUP", "SystemExit(129)"),
        ("SIGINT", "KeyboardInterrupt()"),
    ],
)
def test_a_held_signal_waits_for_the_outermost_block_and_no_longer(name: str, raised: str) -> None:
    line = [sys.executable, "-c", SIGNALLED, name]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["inner", "outer", raised]
