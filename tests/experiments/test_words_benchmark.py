"""The benchmark of words: what its tables say of made-up results."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from experiments.benchmark import prices, words, words_table
from experiments.benchmark.words_table import Scores, Set


@pytest.fixture
def known() -> Set:
    """Eighty mixtures of ten voices and eight pieces, ten words each, twenty in each band."""
    number = np.arange(80)
    return Set(
        [f"m{one}" for one in number],
        np.full(80, 10),
        -5 + 20 * (number % 20) / 19,
        [f"voice {one % 10}" for one in number],
        [f"piece {one // 10}" for one in number],
    )


def scores(name: str, lost: np.ndarray) -> Scores:
    flat = np.ones(len(lost))
    return Scores(name, {**dict.fromkeys(words.METRICS, flat), "words_lost": lost})


def test_every_mixture_lies_in_one_band(known: Set) -> None:
    inside = np.array([known.band(*band) for band in words_table.BANDS])
    assert (inside.sum(0) == 1).all()


def test_an_interval_holds_the_mean_and_narrows_with_agreement(known: Set) -> None:
    everything = np.ones(80, bool)
    same = words_table.interval(np.ones(80), known, everything)
    assert same == pytest.approx((10, 10))  # one of ten words, in every draw
    noisy = np.random.default_rng(0).normal(1, 2, 80)
    low, high = words_table.interval(noisy, known, everything)
    assert low < 10 * noisy.mean() < high


def test_voices_that_differ_widen_the_interval(known: Set) -> None:
    """What differs by voice says less than the number of mixtures makes believe."""
    everything = np.ones(80, bool)
    shuffled = np.random.default_rng(1).permutation(80)
    by_voice = np.where(np.arange(80) % 10 < 5, 2.0, 0.0)
    low, high = words_table.interval(by_voice, known, everything)
    mixed_low, mixed_high = words_table.interval(by_voice[shuffled], known, everything)
    assert high - low > 1.5 * (mixed_high - mixed_low)


def test_words_are_kept_only_in_all_and_in_every_band(known: Set) -> None:
    mixture = scores("mixture", np.full(80, 2.0))
    assert words_table.keeps_words(scores("better", np.full(80, 1.0)), mixture, known)
    assert not words_table.keeps_words(scores("worse", np.full(80, 3.0)), mixture, known)
    hard = np.where(known.band(*words_table.BANDS[0]), 4.0, 0.0)  # more than gained elsewhere? no
    assert hard.sum() < mixture.lost().sum()
    assert not words_table.keeps_words(scores("one band", hard), mixture, known)


def test_a_table_has_a_row_a_system_with_its_sums(known: Set) -> None:
    mixture = scores("mixture", np.full(80, 2.0))
    better = scores("better", np.full(80, 1.0))
    table = words_table.words_table([mixture, better], mixture, known, {"better": 0.05})
    head, _, first, second = table.splitlines()
    cells = dict(zip(head.split(" | "), second.split(" | "), strict=True))
    assert "| mixture | 160 |" in first
    assert cells["lost of 800"] == "80"
    assert cells["less the mixture's, per 100 words (95 %)"] == "-10.0 (-10.0 … -10.0)"
    assert cells["keeps words"] == "yes"
    assert second.rstrip(" |").endswith("0.050")


@pytest.mark.slow
def test_every_system_composes() -> None:
    from speechclean.experiment.config.compose import composed
    from speechclean.experiment.config.instantiate import instantiate_components

    for name, overrides in words.systems().items():
        cfg = composed(["tracking=none", "metrics=[lufs]", *overrides], with_hydra=True)
        problems, _ = instantiate_components(cfg)
        assert not problems, (name, problems)


def test_the_clean_set_has_references_for_mixtures(tmp_path: Path) -> None:
    table = tmp_path / "set.csv"
    table.write_text("path,reference,transcript,alias\nmix/a.wav,clean/a.wav,some words,a\n")
    (tmp_path / "work").mkdir()
    (row,) = csv.DictReader(words.clean_set(table, tmp_path / "work").open(newline=""))
    assert row["path"] == row["reference"] == str((tmp_path / "clean" / "a.wav").resolve())
    assert row["transcript"] == "some words"


def test_other_overrides_are_another_run(tmp_path: Path) -> None:
    one = words.folder(tmp_path, "a, p 2", ["fusion.exponent=2"])
    assert one == words.folder(tmp_path, "a, p 2", ["fusion.exponent=2"])
    assert one != words.folder(tmp_path, "a, p 2", ["fusion.exponent=1"])
    assert words.measured(tmp_path, "a, p 2", ["fusion.exponent=2"]) is None


def test_of_what_keeps_words_at_a_price_the_fewest_lost_are_taken(known: Set) -> None:
    def of(name: str, lost: float, gain: float = 9.0, burst: float = 0.0) -> Scores:
        one = scores(name, np.full(80, lost))
        ends = np.full(80, np.nan)
        ends[0] = burst
        return Scores(name, {**one.values, "si_sdr": np.full(80, gain), "edge_burst_db": ends})

    found = [
        of("mixture", 2.0, gain=0.0),
        of("fewest, but dear", 0.0),
        of("few, but hardly any music gone", 0.5, gain=2.0),
        of("loses words", 3.0, gain=12.0),
        of("bursts", 0.0, burst=15.0),
        of("taken", 1.0),
        of("as many, more music left", 1.0, gain=8.5),
        of("not timed", 0.0),
    ]
    costs = {one.name: 0.05 for one in found[:-1]} | {"fewest, but dear": 0.5}
    taken = prices.best_at(0.1, found, known, costs)
    assert taken
    assert taken.name == "taken"
    assert prices.best_at(0.01, found, known, costs) is None
