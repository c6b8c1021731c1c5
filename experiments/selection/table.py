"""The table of `study.py`: the default alone, each candidate alone, and the best of them per file.

    python -m experiments.selection.table --set S/set.csv --work W

The interval is that of `experiments/benchmark`: lost words less the default's, per 100 words, by a
bootstrap over voices and pieces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.benchmark.words import rows, set_and_work
from experiments.benchmark.words_table import Set, interval
from experiments.texts import record
from speechclean.records.results.summary_page import markdown
from speechclean.stages.selection import OWN

from .study import HEARD, SOUND, candidates

Columns = Mapping[str, Mapping[str, np.ndarray]]


def read(work: Path, name: str, aliases: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of a candidate in the order of `aliases`, `words_lost.base` and so on.

    Shape: `[files]`, NaN for files that a way of hearing leaves out.
    """
    columns = {}
    for heard, (_, metrics) in HEARD.items():
        found = {row["alias"]: row for row in rows(work / f"{name}.{heard}" / "metrics.csv")}
        for metric in metrics:
            cells = [found.get(alias, {}).get(f"{metric}_cleaned", "") for alias in aliases]
            key = metric if metric in SOUND else f"{metric}.{heard}"
            columns[key] = np.array([float(cell) if cell else np.nan for cell in cells])
    return columns


def choose(found: Columns, by: str) -> np.ndarray:
    """Of every file the number of the candidate that is best by a column, then by music left.

    Shape: `[files]`; the first candidate where the column is NaN.

    >>> lost, left = np.array([1.0, 2, np.nan]), np.array([-20.0, -30, -40])
    >>> other = {"lost": np.array([1.0, 3, 0]), "music_residual_db": left - 5}
    >>> choose({"own": {"lost": lost, "music_residual_db": left}, "deep": other}, "lost").tolist()
    [1, 0, 0]
    """
    words = np.array([one[by] for one in found.values()])
    music = np.array([one["music_residual_db"] for one in found.values()])
    known = ~np.isnan(words).any(0)
    least = np.where(known, np.where(known, words, 0).min(0), np.nan)
    left = np.where(words <= least, np.nan_to_num(music, nan=np.inf), np.inf)
    alike = np.argmax(words <= least, 0)
    picked = np.where(np.isinf(left).all(0), alike, left.argmin(0))
    return np.where(known, picked, 0)


def picked(found: Columns, which: np.ndarray, column: str) -> np.ndarray:
    """A column of what is kept: `[files]`."""
    table = np.array([one[column] for one in found.values()])
    kept: np.ndarray = table[which, np.arange(len(which))]
    return kept


def row(title: str, found: Columns, which: np.ndarray, known: Set) -> list[str]:
    """What comes of keeping, of every file, the candidate of that number."""
    own = np.zeros_like(which)
    cells = [title]
    for ear in ("base", "tiny.en"):
        column = f"words_lost.{ear}"
        lost, before = picked(found, which, column), picked(found, own, column)
        inside = ~np.isnan(before)
        cells.append(f"{np.nansum(lost):.0f}")
        if not (which == 0).all():
            low, high = interval(np.nan_to_num(lost - before), known, inside)
            cells[-1] += f" ({low:+.1f} to {high:+.1f})"
    shares = ", ".join(
        f"{name} {int((which == number).sum())}" for number, name in enumerate(found)
    )
    return [
        *cells,
        f"{np.nanmean(picked(found, which, 'music_residual_db')):.1f}",
        f"{np.nanmean(picked(found, which, 'dnsmos_ovrl')):.3f}",
        shares,
    ]


def main() -> None:
    """Fill the README's place, and results/selection.json."""
    given = set_and_work(__doc__).parse_args()
    known = Set.read(given.set)
    found = {name: read(given.work, name, known.aliases) for name in candidates()}
    each = {
        f"{'the default' if name == OWN else name} alone": np.full(len(known.aliases), number)
        for number, name in enumerate(found)
    }
    chosen = {
        "best by words lost, heard by base": choose(found, "words_lost.base"),
        "best by words lost, heard by tiny.en": choose(found, "words_lost.tiny.en"),
        "best without transcripts, by words other than in the mixture": choose(
            found, "wer_vs_mixture.untold"
        ),
    }
    made = [row(title, found, which, known) for title, which in (each | chosen).items()]
    english = ~np.isnan(found[OWN]["words_lost.tiny.en"])
    head = [
        "kept",
        f"lost of {known.words.sum()}, heard by base",
        f"lost of {known.words[english].sum()} English, heard by tiny.en",
        "pauses, dB",
        "DNSMOS",
        "files",
    ]
    table = "\n".join(markdown(head, made))
    record(Path(__file__).parent, "selection", {"head": head, "rows": made}, table)


if __name__ == "__main__":
    main()
