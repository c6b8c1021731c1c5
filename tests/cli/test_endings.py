"""Commands go on, and end as they would have, whatever becomes of what they print."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

COMMAND = """
import sys
from pathlib import Path
from speechclean.cli.endings import quiet_on_closed_pipe

@quiet_on_closed_pipe
def main():
    for number in range(20_000):
        print("caf\\udce9", number)
    sys.stdout.flush()
    print("said", file=sys.stderr)
    Path("done").touch()
    sys.exit(3)

main()
"""


def ended(stdout: int, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command, with a stream of its own to print into."""
    settings = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    line = [sys.executable, "-c", COMMAND]
    return subprocess.run(
        line, cwd=folder, env=settings, stdout=stdout, stderr=subprocess.PIPE, check=False
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_stops_nothing(tmp_path: Path, unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = ended(writing, tmp_path, PYTHONUNBUFFERED=unbuffered)
    os.close(writing)
    assert (done.returncode, done.stderr) == (3, b"said\n")
    assert (tmp_path / "done").exists()


def test_names_that_are_no_unicode_are_written_out(tmp_path: Path) -> None:
    for encoding in ("utf-8", "ascii"):
        done = ended(subprocess.PIPE, tmp_path, PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (3, b"said\n")
        assert done.stdout.startswith(b"caf\\udce9 0\ncaf\\udce9 1\n")
