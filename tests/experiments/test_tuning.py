"""What was tuned is judged on files that it has not seen: differences and their intervals."""

from __future__ import annotations

import re

import numpy as np
import pytest

from experiments.benchmark.words import METRICS
from experiments.benchmark.words_table import Scores, Set
from experiments.tuning.judge import mean_interval, system, table

FILES = 48


def known() -> Set:
    return Set(
        [f"f{index}" for index in range(FILES)],
        np.full(FILES, 20),
        np.zeros(FILES),
        [f"voice {index % 8}" for index in range(FILES)],
        [f"piece {index % 6}" for index in range(FILES)],
    )


def made(name: str, lost: float, pauses: float, seed: int = 0) -> Scores:
    draw = np.random.default_rng(seed)
    values = {metric: draw.normal(size=FILES) for metric in METRICS}
    values["words_lost"] = np.full(FILES, lost)
    values["music_residual_db"] = np.full(FILES, pauses) + draw.normal(size=FILES)
    values["music_residual_db"][3] = np.nan  # a file without pauses
    return Scores(name, values)


def test_an_interval_holds_the_difference_that_was_put_in() -> None:
    draw = np.random.default_rng(1)
    for mean in (-4.0, 0.0, 2.5):
        difference = mean + draw.normal(size=FILES)
        difference[5] = np.nan
        low, high = mean_interval(difference, known())
        assert low < mean < high
        assert high - low < 2
    assert mean_interval(np.full(FILES, 3.0), known()) == pytest.approx((3, 3))


def test_a_voice_that_is_alone_with_its_gain_widens_the_interval() -> None:
    even = np.where(np.arange(FILES) % 2, 8.0, 0.0)
    one = np.where(np.arange(FILES) % 8 == 0, 32.0, 0.0)
    assert even.mean() == one.mean()
    spans = [high - low for low, high in (mean_interval(each, known()) for each in (even, one))]
    assert spans[1] > spans[0]


def test_the_table_compares_with_the_first_system() -> None:
    mixture, first, other = made("mixture", 5, -6), made("now", 3, -40), made("tuned", 2, -44, 1)
    lines = table([mixture, first, other], known()).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [row[:2] for row in cells[:2]] == [["mixture", "240"], ["now", "144"]]
    assert cells[2][1] == "96, -5.0 (-5.0 … -5.0)"
    means, difference, low, high = map(float, re.findall(r"[-+]?\d+\.\d", cells[2][2]))
    assert means == pytest.approx(-44, abs=0.5)
    assert low < difference < high < 0
    assert difference == pytest.approx(-4, abs=0.5)


def test_a_system_is_a_name_and_overrides() -> None:
    assert system("mean: fusion=mean_mask a.b={c:1}") == ("mean", ["fusion=mean_mask", "a.b={c:1}"])
