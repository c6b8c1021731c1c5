"""Does it pay to keep, of every file, the best of several fusions? By two recognisers.

    python -m experiments.selection.study --set S/set.csv --work W    # what was not run yet
    python -m experiments.selection.table --set S/set.csv --work W    # the table

Every candidate of `selection=best_of` is a run of its own over the transcribed set
(`experiments/benchmark`), heard by Whisper base, and its English files by Whisper tiny.en too.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from experiments.benchmark.words import FIGURES, rows, set_and_work
from speechclean.experiment.config.command_line import typed
from speechclean.stages.selection import OWN
from speechclean.system.resources import conf_dir

#: What is measured in the whole set, in its English files by another recogniser, and in the whole
#: set as if nobody had its transcripts.
WORDS = ("words_lost", "words_invented")
SOUND = ("music_residual_db", "dnsmos_ovrl")
HEARD = {
    "base": ("base", (*WORDS, *SOUND)),
    "tiny.en": ("tiny.en", WORDS),
    "untold": ("base", ("wer_vs_mixture",)),
}


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


def run(name: str, heard: str, table: Path, work: Path) -> None:
    """Measure one candidate, unless that is done."""
    target = work / f"{name}.{heard}"
    if (target / "metrics.csv").is_file():
        return
    model, metrics = HEARD[heard]
    models = [f"metrics.{metric}.model={model}" for metric in metrics if metric not in SOUND]
    line = [
        *(sys.executable, "-m", "speechclean", "dataset=manifest", f"dataset.path={table}"),
        *(*FIGURES, f"cache.dir={work / 'cache'}", f"metrics=[{','.join(metrics)}]", *models),
        *(*candidates()[name], f"hydra.run.dir={target}"),
    ]
    print(f"{name}: {heard}", flush=True)
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)


def tables(table: Path, work: Path) -> dict[str, Path]:
    """The set as each of `HEARD` wants it; paths are absolute."""
    listed = rows(table)
    for row in listed:
        row |= {key: str((table.parent / row[key]).resolve()) for key in ("path", "reference")}
    parts = {
        "base": listed,
        "tiny.en": [row for row in listed if row["language"] == "en"],
        "untold": [row | {"transcript": ""} for row in listed],
    }
    for name, part in parts.items():
        with (work / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(listed[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(part)
    return {name: work / f"{name}.csv" for name in parts}


def main() -> None:
    """Measure every candidate in every way."""
    given = set_and_work(__doc__).parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    for heard, table in tables(given.set, given.work).items():
        for name in candidates():
            run(name, heard, table, given.work)


if __name__ == "__main__":
    main()
