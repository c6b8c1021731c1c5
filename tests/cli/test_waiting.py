"""Whoever waits long is told for what, and nobody else."""

from __future__ import annotations

import time

import pytest

from speechclean.cli.waiting import said_if_slow


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
