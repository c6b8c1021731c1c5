"""Speed and time left are plain arithmetic on a clock that nobody can set."""

from __future__ import annotations

import io
import time

from rich.console import Console

from speechclean.experiment.batch.progress import Pace, shown
from speechclean.records.file_result import Status
from tests.experiment.batch.conftest import entry


def test_the_time_left_follows_from_the_sound_left() -> None:
    now = [100.0]
    pace = Pace(10, 1000.0, kept=2, kept_seconds=200.0, clock=lambda: now[0])
    assert pace.left_s is None
    now[0] = 170.0  # a minute until the workers had started
    pace.add(entry("a", took_s=10.0), 300.0)
    pace.add(entry("b", Status.FAILED), 0.0)
    assert pace.speed == 30.0
    assert pace.left_s == 500 / 30
    assert pace.share == 0.5
    assert (
        pace.line()
        == "4 of 10 files, 0.14 of 0.28 h of sound, 30.0 × real time, 17 s left, 1 failed"
    )


def test_nothing_but_unreadable_files_still_come_to_an_end() -> None:
    now = [0.0]
    pace = Pace(4, 0.0, clock=lambda: now[0])
    now[0] = 2.0
    pace.add(entry("a", Status.FAILED, took_s=2.0), 0.0)
    assert pace.left_s == 6.0
    assert pace.share == 0.25


def test_without_a_terminal_a_plain_line_now_and_then() -> None:
    now, screen = [0.0], io.StringIO()
    pace = Pace(2, 10.0, clock=lambda: now[0])
    with shown(pace, Console(file=screen), 30) as tick:
        for second in range(0, 100, 10):
            now[0] = float(second)
            tick()
    assert screen.getvalue().count("\n") == 3
    assert "\x1b" not in screen.getvalue()


def test_the_clock_is_one_that_is_not_set() -> None:
    assert Pace(1, 1.0).clock is time.monotonic
