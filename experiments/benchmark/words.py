r"""Does cleaning cost words? Every system on one set with transcripts, heard by Whisper.

    python -m experiments.benchmark.words --set DIR/set.csv --work W         # what was not run yet
    python -m experiments.benchmark.words --set DIR/set.csv --work W --only fast balanced
    python -m experiments.benchmark.words --set DIR/set.csv --work W --clean --only balanced
    python -m experiments.benchmark.words_table --set DIR/set.csv --work W   # the tables

A system is a line of `words.yaml`: a name and overrides of the default run. Each is a run of the
program itself on the set, with a cache that keeps what networks answered, so that another rule of
fusion or another floor costs its metrics alone. `set.csv` has, besides the columns of a manifest,
`snr_db`, `voice` and `piece`.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

HERE = Path(__file__).parent
#: What is measured of every system.
METRICS = (
    "words_lost",
    "words_invented",
    "si_sdr",
    "stoi",
    "pesq",
    "dnsmos_ovrl",
    "speaker_similarity",
    "music_residual_db",
    "edge_burst_db",
)
#: No pictures, no snippets, no record: figures alone.
FIGURES = (
    "tracking=none",
    "output.cleaned=false",
    "output.report=false",
    "output.plots=false",
    "output.ab_seconds=0",
    "output.fingerprints=false",
    "cache.enabled=true",
)


def systems(path: Path = HERE / "words.yaml") -> dict[str, list[str]]:
    """The overrides of every system, by its name, in the order of the file."""
    return {str(name): str(line).split() for name, line in yaml.safe_load(path.read_text()).items()}


def folder(work: Path, name: str, overrides: Sequence[str]) -> Path:
    """Where the run of a system lies: another one if its overrides change."""
    digest = hashlib.sha256(json.dumps(list(overrides)).encode()).hexdigest()[:8]
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)
    return work / f"{plain}_{digest}"


def measured(work: Path, name: str, overrides: Sequence[str]) -> Path | None:
    """The metrics of a system's run; None if it has not come to its end."""
    path = folder(work, name, overrides) / "metrics.csv"
    return path if path.is_file() else None


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a csv file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def clean_set(table: Path, work: Path) -> Path:
    """The set with each reference in the place of its mixture: clean speech, to be left alone."""
    listed = rows(table)
    at = work / "clean.csv"
    with at.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(listed[0]), lineterminator="\n")
        writer.writeheader()
        for row in listed:
            reference = str((table.parent / row["reference"]).resolve())
            writer.writerow(row | {"path": reference, "reference": reference})
    return at


def run(name: str, overrides: Sequence[str], table: Path, work: Path) -> None:
    """One system over the whole set. Raises `CalledProcessError` if its config cannot run."""
    target = folder(work, name, overrides)
    started = target.with_name(f"{target.name}.part")
    shutil.rmtree(started, ignore_errors=True)
    command = [
        *(sys.executable, "-m", "speechclean", "dataset=manifest", f"dataset.path={table}"),
        *(*FIGURES, f"cache.dir={work / 'cache'}", f"metrics=[{','.join(METRICS)}]"),
        *("enhancement=identity", *overrides, f"hydra.run.dir={started}"),
    ]
    print(f"{name}: {' '.join(overrides)}", flush=True)
    with (work / "runs.log").open("a") as log:
        subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)
    started.rename(target)


def run_all(named: Mapping[str, Sequence[str]], table: Path, work: Path) -> None:
    """Every system that was not run yet. One that fails is told and costs the others nothing."""
    work.mkdir(parents=True, exist_ok=True)
    for name, overrides in named.items():
        if measured(work, name, overrides):
            continue
        try:
            run(name, overrides, table, work)
        except subprocess.CalledProcessError as error:
            print(f"{name}: ended with status {error.returncode}; see {work / 'runs.log'}")


def set_and_work(description: str | None) -> argparse.ArgumentParser:
    """A command line with the two places that all studies on the transcribed set have."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", type=Path, required=True, help="set.csv of the transcribed set")
    parser.add_argument("--work", type=Path, required=True, help="any folder: runs and the cache")
    return parser


def main() -> None:
    """Run systems."""
    parser = set_and_work(__doc__)
    parser.add_argument("--only", nargs="+", help="names of systems")
    parser.add_argument("--clean", action="store_true", help="on the clean speech of the set")
    options = parser.parse_args()
    named = systems()
    if unknown := sorted(set(options.only or []) - set(named)):
        parser.error(f"not in words.yaml: {', '.join(unknown)}")
    chosen = {name: named[name] for name in options.only or named}
    options.work.mkdir(parents=True, exist_ok=True)
    table, work = options.set.resolve(), options.work
    if options.clean:
        table, work = clean_set(table, work), work / "clean"
    run_all(chosen, table, work)


if __name__ == "__main__":
    main()
