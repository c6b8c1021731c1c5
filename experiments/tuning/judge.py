r"""What was found on one half, on the other half: words, music left and quality, with intervals.

    python -m experiments.tuning.judge --set W/held_out.csv --work W/judge --name held_out \
        --system "balanced: experiment=balanced" --system "tuned: experiment=halves"

The first system is what the others are compared with. Runs what was not run yet, prints the table
and puts it into the README's place of that name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from experiments.benchmark.words import run_all, set_and_work
from experiments.benchmark.words_table import Scores, Set, interval, read_runs
from experiments.texts import record
from speechclean.records.results.summary_page import markdown

#: Columns and their digits.
COLUMNS = {
    "music_residual_db": ("pauses, dB", 1),
    "dnsmos_ovrl": ("DNSMOS", 3),
    "pesq": ("PESQ", 2),
    "stoi": ("STOI", 3),
    "si_sdr": ("SI-SDR, dB", 2),
}


def system(text: str) -> tuple[str, list[str]]:
    """A name and overrides.

    >>> system("tuned: experiment=mine shifts=2")
    ('tuned', ['experiment=mine', 'shifts=2'])
    """
    name, _, overrides = text.partition(":")
    return name.strip(), overrides.split()


def mean_interval(difference: np.ndarray, known: Set) -> tuple[float, float]:
    """95 % interval of a mean difference, over voices and pieces; NaN has no say."""
    inside = ~np.isnan(difference)
    each = replace(known, words=np.ones(len(difference)))
    low, high = interval(np.nan_to_num(difference), each, inside)
    return low / 100, high / 100


def row(one: Scores, first: Scores, known: Set) -> list[str]:
    """A system: its words lost, less the first's per 100 words, and means less the first's."""
    lost = f"{one.lost().sum():.0f}"
    if one is not first:
        difference = one.lost() - first.lost()
        low, high = interval(difference, known, np.ones(len(difference), bool))
        lost += f", {100 * difference.sum() / known.words.sum():+.1f} ({low:+.1f} … {high:+.1f})"
    cells = [one.name, lost]
    for metric, (_, digits) in COLUMNS.items():
        own = one.values[metric]
        text = f"{np.nanmean(own):.{digits}f}"
        if one is not first:
            difference = own - first.values[metric]
            low, high = mean_interval(difference, known)
            text += f", {np.nanmean(difference):+.{digits}f} "
            text += f"({low:+.{digits}f} … {high:+.{digits}f})"
        cells.append(text)
    return cells


def table(found: Sequence[Scores], known: Set) -> str:
    """A row for each system, the mixture's first."""
    head = ["system", f"lost of {known.words.sum():.0f}; more than the first, per 100 (95 %)"]
    head += [f"{label}; more than the first (95 %)" for label, _ in COLUMNS.values()]
    mixture, first, *others = found
    body = [row(mixture, mixture, known), *(row(one, first, known) for one in (first, *others))]
    return "\n".join(markdown(head, body))


def main() -> None:
    """Run, print, write."""
    parser = set_and_work(__doc__)
    parser.add_argument("--name", required=True, help="of the place in the README")
    parser.add_argument("--system", action="append", required=True, help="name: overrides")
    options = parser.parse_args()
    named = dict(map(system, options.system))
    run_all(named, options.set.resolve(), options.work)
    known = Set.read(options.set)
    found = read_runs(options.work, known, named)
    if len(found) < len(named) + 1:
        parser.exit(1, f"not all systems were run; see {options.work / 'runs.log'}\n")
    made = table(found, known)
    print(made)
    record(Path(__file__).parent, options.name, {"systems": named}, made)


if __name__ == "__main__":
    main()
