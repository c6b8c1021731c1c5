"""The transcribed set in two halves that share no voice: one to tune on, one to judge by.

    python -m experiments.tuning.halves --set S/set.csv --work W

Into `W/tune.csv` and `W/held_out.csv`. Two voices that are blended in one file count as one.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence

from experiments.benchmark.words import rows, set_and_work

NAMES = ("tune", "held_out")


def groups(voices: Sequence[str]) -> list[set[str]]:
    """Voices that must stay together, the most frequent group first.

    >>> groups(["a+b", "c", "b+d", "c", "c"])[1] == {"a", "b", "d"}
    True
    """
    found: list[set[str]] = []
    for voice in voices:
        parts = set(voice.split("+"))
        touched = [group for group in found if group & parts]
        found = [group for group in found if group not in touched]
        found.append(parts.union(*touched))
    sizes = {id(group): sum(bool(group & set(one.split("+"))) for one in voices) for group in found}
    return sorted(found, key=lambda group: (-sizes[id(group)], min(group)))


def halves(listed: Sequence[dict[str, str]]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows of a set: the groups of its voices go to the smaller half, the largest group first."""
    parts: tuple[list[dict[str, str]], list[dict[str, str]]] = ([], [])
    for group in groups([row["voice"] for row in listed]):
        own = [row for row in listed if group & set(row["voice"].split("+"))]
        min(parts, key=len).extend(own)
    return parts


def main() -> None:
    """Write both tables; paths are absolute."""
    options = set_and_work(__doc__).parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    listed = rows(options.set)
    for row in listed:
        for key in ("path", "reference"):
            row[key] = str((options.set.parent / row[key]).absolute())
    for name, half in zip(NAMES, halves(listed), strict=True):
        with (options.work / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(listed[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(half)
        voices = sorted({row["voice"] for row in half})
        print(f"{name}: {len(half)} files, {len(voices)} voices ({', '.join(voices)})")


if __name__ == "__main__":
    main()
