"""Does it pay to keep, of every file, the best of several fusions? By two recognisers.

    python -m experiments.selection.study --set S/set.csv --work W    # what was not run yet
    python -m experiments.selection.table --set S/set.csv --work W    # the table

Every candidate of `selection=best_of` is a run of its own over the transcribed set
(`experiments/benchmark`), heard by Whisper base, and its English files by Whisper tiny.en too.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from experiments.benchmark.words import FIGURES, rows
from speechclean.experiment.config.command_line import typed
from speechclean.stages.selection import OWN
from speechclean.system.resources import conf_dir

#: What is heard of every candidate; the rest of the columns are no recogniser's.
WORDS = ("words_lost", "words_invented", "wer_vs_mixture")
SOUND = ("music_residual_db", "dnsmos_ovrl")
EARS = ("base", "tiny.en")


def candidates() -> dict[str, list[str]]:
    """The overrides of every candidate by name, the default's own fusion first."""
    selection: Any = yaml.safe_load(
        (Path(conf_dir()) / "selection/best_of.yaml").read_text("utf-8")
    )
    return {OWN: [], **{name: overrides(one) for name, one in selection["candidates"].items()}}


def overrides(candidate: Mapping[str, Any]) -> list[str]:
    """A candidate as one would type it.

    >>> overrides({"fusion": "min_mask", "exponent": 1, "separators": ["a", "b"]})
    ['separators=[a,b]', 'fusion=min_mask', 'fusion.exponent=1']
    """
    knobs = [
        (key, value) for key, value in candidate.items() if key not in ("fusion", "separators")
    ]
    names = candidate.get("separators")
    return [
        *([f"separators=[{','.join(names)}]"] if names else []),
        f"fusion={candidate['fusion']}",
        *(f"fusion.{key}={typed(value)}" for key, value in knobs),
    ]


def run(name: str, ear: str, table: Path, work: Path) -> Path:
    """The metrics of one candidate, heard by one recogniser; run unless they are there."""
    target = work / f"{name}.{ear}"
    if not (target / "metrics.csv").is_file():
        measured = (*WORDS, *SOUND) if ear == EARS[0] else WORDS
        models = [f"metrics.{metric}.model={ear}" for metric in WORDS]
        line = [
            *(sys.executable, "-m", "speechclean", "dataset=manifest", f"dataset.path={table}"),
            *(*FIGURES, f"cache.dir={work / 'cache'}", f"metrics=[{','.join(measured)}]", *models),
            *(*candidates()[name], f"hydra.run.dir={target}"),
        ]
        print(f"{name}, heard by {ear}", flush=True)
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    return target / "metrics.csv"


def english(table: Path, work: Path) -> Path:
    """The set's English files, as a table of their own; paths are absolute."""
    listed = rows(table)
    at = work / "english.csv"
    with at.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(listed[0]), lineterminator="\n")
        writer.writeheader()
        for row in listed:
            if row["language"] == "en":
                places = {
                    key: str((table.parent / row[key]).resolve()) for key in ("path", "reference")
                }
                writer.writerow(row | places)
    return at


def arguments(description: str | None) -> argparse.Namespace:
    """The set and the folder of runs."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", type=Path, required=True, help="set.csv of the transcribed set")
    parser.add_argument("--work", type=Path, required=True, help="any folder: runs and the cache")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    return given


def main() -> None:
    """Run every candidate once for each recogniser."""
    given = arguments(__doc__)
    tables = {EARS[0]: given.set.resolve(), EARS[1]: english(given.set.resolve(), given.work)}
    for name in candidates():
        for ear, table in tables.items():
            run(name, ear, table, given.work)


if __name__ == "__main__":
    main()
