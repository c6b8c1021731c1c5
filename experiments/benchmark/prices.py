"""Which system to take at which price, from `results/words.csv` and `results/cost.csv`.

    python -m experiments.benchmark.prices      # tables, here and in the project's README

Of the systems that lose no more words than the mixtures have lost already (in all, and in no band
of levels beyond chance), gain `LEAST_GAIN_DB` at least, let no burst through at the ends and keep
within a price, the one that loses the fewest words; of equals, the one with the higher SI-SDR. The
prices are those of three shipped experiments. `words_table.py` writes what is read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from experiments.benchmark.words import HERE, METRICS, rows
from experiments.benchmark.words_table import (
    RESULTS,
    Scores,
    Set,
    bursts,
    gain_db,
    keeps_words,
    read_costs,
)
from experiments.texts import fill
from speechclean.records.results.summary_page import markdown

README = HERE.parents[1] / "README.md"
#: The shipped experiments, and at most so many seconds of one core for a second of sound.
PRICES = {"fast": 1 / 15, "balanced": 1 / 5, "best": 1 / 1.5}
#: SI-SDR gain in dB below which nobody would say that music was taken away.
LEAST_GAIN_DB = 8.0
#: Means in the README, and their digits.
_MEANS = {"stoi": 3, "pesq": 2}


def read() -> tuple[list[Scores], Set]:
    """Every system of `results/words.csv`, the mixture first, and what is known of the mixtures."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in rows(RESULTS / "words.csv"):
        found.setdefault(row["system"], []).append(row)
    known = Set.of(found["mixture"], [int(row["words"]) for row in found["mixture"]])
    listed = [
        Scores(name, {key: np.array([float(row[key]) for row in some]) for key in METRICS})
        for name, some in found.items()
    ]
    return listed, known


def best_at(
    price: float, found: Sequence[Scores], known: Set, costs: Mapping[str, float]
) -> Scores | None:
    """The system to take at a price in core-seconds per second; None if none will do.

    The first of `found` is the mixture.
    """
    mixture, *systems = found
    good = [
        one
        for one in systems
        if costs.get(one.name, np.inf) <= price
        and keeps_words(one, mixture, known)
        and gain_db(one, mixture) >= LEAST_GAIN_DB
        and not bursts(one)
    ]
    return min(good, key=lambda one: (one.lost().sum(), -gain_db(one, mixture)), default=None)


def choices(found: Sequence[Scores], known: Set, costs: Mapping[str, float]) -> str:
    """A row for each price: what is best, and what ships."""
    by_name = {one.name: one for one in found}
    body = []
    for name, price in PRICES.items():
        best, shipped = best_at(price, found, known, costs), by_name.get(name)
        body.append(
            [
                f"`experiment={name}`",
                f"×{1 / price:.3g}",
                f"{best.name} ({best.lost().sum():.0f})" if best else "none",
                f"{shipped.lost().sum():.0f}" if shipped else "not measured",
            ]
        )
    head = ["price", "real time on one core, at least", "fewest words lost", "lost by what ships"]
    return "\n".join(markdown(head, body))


def shipped_table(found: Sequence[Scores], known: Set, costs: Mapping[str, float]) -> str:
    """What the three experiments do, in plain words; the mixture first."""
    head = [
        "",
        f"words lost, of {known.words.sum()}",
        "SI-SDR gain",
        "STOI",
        "PESQ",
        "music in pauses",
        "bursts at the ends",
        "real time on one core",
    ]
    mixture, by_name = found[0], {one.name: one for one in found}
    listed = {"the mixture": mixture} | {
        f"`experiment={name}`": by_name[name] for name in PRICES if name in by_name
    }
    body = [
        [
            label,
            f"{one.lost().sum():.0f}",
            "" if one is mixture else f"{gain_db(one, mixture):+.1f} dB",
            *(f"{np.nanmean(one.values[key]):.{digits}f}" for key, digits in _MEANS.items()),
            f"{np.nanmean(one.values['music_residual_db']):.0f} dB",
            f"{bursts(one)}",
            f"×{1 / costs[one.name]:.1f}" if one.name in costs else "",
        ]
        for label, one in listed.items()
    ]
    return "\n".join(markdown(head, body))


def main() -> None:
    """Write both tables."""
    found, known = read()
    costs = read_costs()
    told = {"prices": choices(found, known, costs), "shipped": shipped_table(found, known, costs)}
    fill(HERE / "README.md", {"prices": told["prices"]})
    fill(README, {"how_good": told["shipped"]})
    print("\n\n".join(told.values()))


if __name__ == "__main__":
    main()
