"""Whoever waits long is told for what, and nobody else."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from speechclean.cli.run import errors_as_exit_status
from speechclean.cli.waiting import said_if_slow, show_long_loops
from speechclean.system import long_loops


def test_said_once_while_it_takes_long(capfd: pytest.CaptureFixture[str]) -> None:
    with said_if_slow("reading inputs", after_s=0.01):
        limit = time.monotonic() + 20
        said = ""
        while not said and time.monotonic() < limit:
            time.sleep(0.01)
            said += capfd.readouterr().err
    assert said == "reading inputs\n"


def test_not_said_when_it_was_quick_or_failed(capfd: pytest.CaptureFixture[str]) -> None:
    with said_if_slow("reading inputs", after_s=0.2):
        pass
    with pytest.raises(ValueError, match="wrong"), said_if_slow("reading inputs", after_s=0.2):
        raise ValueError("wrong")
    time.sleep(0.5)
    assert capfd.readouterr().err == ""


@pytest.fixture
def as_before() -> Iterator[None]:
    """The log of long loops is afterwards what it was."""
    log = long_loops.log
    before, level = list(log.handlers), log.level
    yield
    log.handlers[:] = before
    log.setLevel(level)


@pytest.mark.usefixtures("as_before")
def test_commands_show_how_far_long_loops_are(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        show_long_loops()
    assert list(long_loops.watched("ab", "set.csv", "rows", 2)) == ["a", "b"]
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(long_loops, "EVERY_S", 0.0)
    list(long_loops.watched("ab", "http://me:secret@host", "rows"))
    assert capfd.readouterr().err == (
        "http://me:***@host: 0 rows so far\nhttp://me:***@host: 1 rows so far\n"
    )


def test_ctrl_c_while_inputs_are_read_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr("speechclean.system.long_loops.time.monotonic", interrupted)
    with pytest.raises(SystemExit) as ended, errors_as_exit_status():
        list(long_loops.watched("ab", "set.csv", "rows"))
    assert ended.value.code == 130
    assert capfd.readouterr().err == "stopped by Ctrl-C\n"
