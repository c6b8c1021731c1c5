"""A cascade: `fast` cleans all files, and only those that it leaves unsure meet `balanced`.

    python -m experiments.selection.cascade --set S/set.csv --work W

From the runs of `experiments/benchmark` (`words --only fast balanced`, the same S and W): the files
are ranked by what one can know of `fast`'s answer, the worst first, and a share of them goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from experiments.benchmark.words import measured, set_and_work, systems
from experiments.benchmark.words_table import Scores, Set, interval, read_costs, scores
from experiments.texts import record
from speechclean.records.results.summary_page import markdown

FAST, FULL = "fast", "balanced"
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
#: How unsure `fast` leaves a file: more is worse.
JUDGES: Mapping[str, Callable[[Scores], np.ndarray]] = {
    "words lost (wants transcripts)": lambda fast: fast.values["words_lost"],
    "speech quality, DNSMOS": lambda fast: -fast.values["dnsmos_ovrl"],
    "music left in pauses": lambda fast: fast.values["music_residual_db"],
}


def sent_on(unsure: np.ndarray, share: float) -> np.ndarray:
    """Which files go on: the share of them that is most unsure, NaN last.

    >>> sent_on(np.array([1.0, 3.0, np.nan, 2.0]), 0.5).tolist()
    [False, True, False, True]
    """
    order = np.argsort(-np.nan_to_num(unsure, nan=-np.inf), kind="stable")
    chosen = np.zeros(len(unsure), bool)
    chosen[order[: round(share * len(unsure))]] = True
    return chosen


def rows(fast: Scores, full: Scores, known: Set, costs: Mapping[str, float]) -> list[list[str]]:
    """A line for each judge and share."""
    made: list[list[str]] = []
    for judge, unsure in JUDGES.items():
        for share in SHARES:
            if share in (0, 1) and made and judge != next(iter(JUDGES)):
                continue  # nobody decides there
            on = sent_on(unsure(fast), share)
            lost = np.where(on, full.lost(), fast.lost())
            everything = np.ones(len(on), bool)
            low, high = interval(lost - full.lost(), known, everything)
            cost = costs[FAST] * (share < 1) + share * costs[FULL]
            means = (
                np.nanmean(np.where(on, full.values[name], fast.values[name]))
                for name in ("music_residual_db", "dnsmos_ovrl", "pesq")
            )
            made.append(
                [
                    judge if 0 < share < 1 else "all alike",
                    f"{100 * share:.0f} %",
                    f"{lost.sum():.0f} ({low:+.1f} to {high:+.1f})",
                    *(f"{mean:.{digits}f}" for mean, digits in zip(means, (1, 3, 2), strict=True)),
                    f"{cost:.3f}",
                    f"{100 * (1 - cost / costs[FULL]):+.0f} %",
                ]
            )
    return made


def main() -> None:
    """Fill the README's place, and results/cascade.json."""
    given = set_and_work(__doc__).parse_args()
    known = Set.read(given.set)
    found = []
    for name in (FAST, FULL):
        path = measured(given.work, name, systems()[name])
        if path is None:
            raise SystemExit(
                f"{name} was not run: python -m experiments.benchmark.words --only {FAST} {FULL}"
            )
        found.append(scores(name, path, known.aliases, "cleaned"))
    head = [
        "the most unsure by",
        f"go on to {FULL}",
        f"words lost (less {FULL}'s, per 100 words, 95 %)",
        "pauses, dB",
        "DNSMOS",
        "PESQ",
        "core-seconds per second",
        "saved",
    ]
    fast, full = found
    made = rows(fast, full, known, read_costs())
    table = "\n".join(markdown(head, made))
    record(Path(__file__).parent, "cascade", {"head": head, "rows": made}, table)


if __name__ == "__main__":
    main()
