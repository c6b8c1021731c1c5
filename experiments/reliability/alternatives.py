"""What else could clean thousands of clips: a shell's loop of commands, and workers of Ray."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.support import batch_folder


def loop(clips: Path, count: int, sample: int) -> tuple[float, int]:
    """Seconds that a shell's loop would take for all files, with a command for each.

    Scaled up from a `sample` that it can do; the second value is how many it could not: demucs
    stops where its random shift leaves the last segment fewer samples than half a window.
    """
    paths = sorted(clips.iterdir())
    stride = max(1, len(paths) // sample)
    took: list[float] = []
    failed = 0
    for path in (path for first in range(stride) for path in paths[first::stride]):
        start = time.monotonic()
        line = [sys.executable, "-m", "experiments.speed.clips", str(clips), "--one", str(path)]
        if subprocess.run(line, check=False, stderr=subprocess.DEVNULL).returncode:
            failed += 1
            continue
        took.append(time.monotonic() - start)
        if len(took) == sample:
            break
    return sum(took) * count / len(took), failed


def ray_workers(folder: Path, clips: Path, count: int) -> dict[str, object]:
    """Compare one Ray worker with two, a core each, in turns.

    Seconds of work between the first and the last file, and whether the bytes are the same.
    """
    part = folder / f"ray_clips{count}"
    part.mkdir(exist_ok=True)
    for path in sorted(clips.iterdir())[:count]:
        (part / path.name).unlink(missing_ok=True)
        (part / path.name).symlink_to(path)
    spent: dict[int, list[float]] = {1: [], 2: []}
    found = {}
    for turn in range(2):
        for workers in (1, 2) if turn % 2 == 0 else (2, 1):
            out = folder / f"ray{workers}"
            subprocess.run(["rm", "-rf", str(out)], check=True)
            line = [
                sys.executable,
                "-m",
                "speechclean",
                "batch=ray",
                "tracking=none",
                "dataset=folder",
                f"batch.out={out}",
            ]
            line += [f"dataset.pattern={part}", f"batch.workers={workers}"]
            threads = {"OMP_NUM_THREADS": str(workers)}  # the embedded cluster has so many cores
            process = subprocess.Popen(
                line,
                env={**os.environ, **threads},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while process.poll() is None and not batch_folder.ledger(out):
                time.sleep(0.05)
            start = time.monotonic()
            while process.poll() is None and len(batch_folder.ledger(out)) < count:
                time.sleep(0.05)
            spent[workers].append(time.monotonic() - start)
            process.wait()
            found[workers] = batch_folder.hashes(out)
    one, two = min(spent[1]), min(spent[2])
    return {
        "one_s": one,
        "two_s": two,
        "ratio": one / two,
        "same": found[1] == found[2],
        "clips": len(found[1]),
    }
