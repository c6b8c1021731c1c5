"""Thousands of short clips through the embedded pipeline: how fast, how busy, in how much memory.

    python -m experiments.reliability.throughput FOLDER [--count 2000] [--data DIR] [--ray 120]
        [--go-on] [--write]

FOLDER is scratch. Clips of 2 to 6 s are cut from the recordings of `--data` (speech under music,
seeded). Then

1. a batch over all of them with its defaults, watched from outside: share of the time in which a
   network's pass was going on, memory of all its processes;
2. a loop of a shell over a sample: `demucs`-like and `denoiser`-like commands for each file
   (`experiments.speed.clips`: demucs' `apply_model` for each separator and denoiser's estimate, in
   a process per file), scaled by the number of files;
3. with `--ray`, one Ray worker against two, one core each, on a part of the clips, taken in turns.

`--write` puts the figures into README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from experiments import texts
from experiments.reliability.alternatives import loop, ray_workers
from experiments.reliability.clips import make
from experiments.reliability.watch import watched
from experiments.speed import machine
from tests.support import batch_folder

HERE = Path(__file__).parent


def batch(folder: Path, clips: Path, seconds: float) -> dict[str, float]:
    """The default batch over all clips."""
    out, passes = folder / "out", folder / "passes.txt"
    subprocess.run(["rm", "-rf", str(out), str(passes)], check=True)
    line = [
        sys.executable,
        "-m",
        "speechclean",
        "batch=local",
        "tracking=none",
        "dataset=folder",
        f"dataset.pattern={clips}",
    ]
    # Passes are noted by the worker itself: this module's own folder comes first on its path, and
    # there `sitecustomize` waits.
    noted = {
        "PYTHONPATH": f"{HERE / 'noting'}:{os.environ.get('PYTHONPATH', '')}",
        "SPEECHCLEAN_PASSES": str(passes),
    }
    status, wall, watch = watched([*line, f"batch.out={out}"], noted)
    entries = batch_folder.ledger(out)
    spans = np.array(
        [[float(word) for word in row.split()] for row in passes.read_text().splitlines()]
    )
    going, working, whole = (
        _union(spans),
        float((spans[:, 1] - spans[:, 0]).sum()),
        float(spans[:, 1].max() - spans[:, 0].min()),
    )
    models = sum(
        value
        for one in entries
        for key, value in one["row"].items()
        if key.startswith(("separators.", "enhancement"))
    )
    stages = sum(
        value for one in entries for key, value in one["row"].items() if key.endswith("_s")
    )
    return {
        "status": status,
        "files": len(entries),
        "failed": sum(one["status"] != "cleaned" for one in entries),
        "audio_s": seconds,
        "wall_s": wall,
        "speed": seconds / wall,
        "going_share_of_wall": going / wall,
        "going_share_of_work": going / whole,
        "cores_in_passes": working / whole,
        "models_share_of_stages": models / stages,
        "peak_gb": watch.peak / 1e9,
        "growth": watch.growth(),
    }


def _union(spans: np.ndarray) -> float:
    """Length of a union of intervals `[n, 2]`."""
    total, end = 0.0, -np.inf
    for start, stop in spans[np.argsort(spans[:, 0])]:
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


def markdown(result: dict[str, Any]) -> str:
    """The table for the README."""
    run = result["batch"]
    rows = [
        (
            "clips, hours of sound",
            f"{run['files']}, {run['audio_s'] / 3600:.2f} h; {run['failed']} failed",
            "",
        ),
        ("time, start of Python included", f"{run['wall_s']:.0f} s", ""),
        ("speed", f"{run['speed']:.1f} × real time", ""),
        (
            "share of all the time in which a network's pass was going on",
            f"{100 * run['going_share_of_wall']:.1f} %",
            "≥ 85 %",
        ),
        (
            "the same from the first pass to the last",
            f"{100 * run['going_share_of_work']:.1f} %",
            "",
        ),
        (
            "cores in passes, from the first to the last",
            f"{run['cores_in_passes']:.2f} of {result['machine']['threads']}",
            "",
        ),
        (
            "networks' share of the time that stages took",
            f"{100 * run['models_share_of_stages']:.1f} %",
            "",
        ),
        ("peak memory of all processes", f"{run['peak_gb']:.2f} GB", "≤ 2.5 GB"),
        ("memory at the end over that near the beginning", f"× {run['growth']:.2f}", "flat"),
        (
            "a shell's loop of commands, a process per file",
            f"{result['loop_s']:.0f} s, × {result['ratio']:.1f}",
            "≥ × 4",
        ),
        ("of the files tried there, those that demucs stops at", f"{result['loop_failed']}", ""),
    ]
    if "ray" in result:
        two = result["ray"]
        rows.append(
            (
                f"two Ray workers against one, {two['clips']} clips",
                f"× {two['ratio']:.2f}, {'the same bytes' if two['same'] else 'OTHER BYTES'}",
                "≥ × 1.6, the same bytes",
            )
        )
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(
        [machine.line(result["machine"]), "", "| | measured | wanted |", "|---|---:|---:|", *lines]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/dev"))
    parser.add_argument("--sample", type=int, default=6)
    parser.add_argument(
        "--ray",
        type=int,
        default=0,
        metavar="CLIPS",
        help="compare one Ray worker with two on so many",
    )
    parser.add_argument(
        "--go-on", action="store_true", help="with the batch that was measured in FOLDER before"
    )
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    folder, before = options.folder.resolve(), machine.describe()
    clips = folder / f"clips{options.count}"
    known = folder / f"clips{options.count}.json"
    if not known.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps(make(clips, options.data, options.count)))
    # The long part is kept: what fails after it can be mended without it.
    measured = folder / f"batch{options.count}.json"
    if not (options.go_on and measured.is_file()):
        found = {"machine": before, "batch": batch(folder, clips, json.loads(known.read_text()))}
        measured.write_text(json.dumps(found, indent=1))
    result: dict[str, Any] = json.loads(measured.read_text())
    print(json.dumps(result["batch"], indent=1), flush=True)
    result["loop_s"], result["loop_failed"] = loop(clips, options.count, options.sample)
    result["ratio"] = result["loop_s"] / result["batch"]["wall_s"]
    if options.ray:
        result["ray"] = ray_workers(folder, clips, options.ray)
    print(markdown(result))
    if options.write:
        texts.record(HERE, "throughput", result, markdown(result))


if __name__ == "__main__":
    main()
