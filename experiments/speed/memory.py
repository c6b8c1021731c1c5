"""Peak memory of the whole default pipeline on long files: flat, whatever their length.

    python -m experiments.speed.memory FOLDER [--minutes 10 60]

FOLDER is for the files that are made there (48 kHz stereo, 11 MB a minute) and for what the runs
leave. Every length is a run of `speechclean` in a process of its own. Writes `memory.json` and
`memory.md` into results/.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from experiments.speed.compare import RESULTS
from speechclean.audio.sound_files import load, save_chunks
from speechclean.audio.waveform import Audio, resample
from speechclean.stages.datasets.manifest import Pilot

from . import machine

#: Runs a command and prints the peak resident memory of it, in MiB.
MEASURE = """
import resource, subprocess, sys
code = subprocess.call([sys.executable, "-m", "speechclean", *sys.argv[1:]], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(code)
"""


def long_file(folder: Path, minutes: float) -> Path:
    """The pilot's mixtures again and again, 48 kHz stereo."""
    clips = [
        resample(load(track.path).mono(), 48000).waveform.expand(2, -1)
        for track in Pilot().tracks()
    ]
    turn = Audio(torch.cat(clips, -1), 48000)
    turns = round(minutes * 60 / turn.seconds)
    path = folder / f"{minutes:g}.wav"
    return save_chunks(
        (turn.waveform for _ in range(turns)), path, 48000, 2, "PCM_16", turns * turn.samples
    )


def run(
    folder: Path, minutes: float, environment: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """One run on a file of that length: its peak memory in MiB and its seconds. Raises where the
    run fails.
    """
    arguments = [
        f"dataset.pattern={long_file(folder, minutes)}",
        "dataset=folder",
        "tracking=none",
        "metrics=[lufs]",
    ]
    line = [
        sys.executable,
        "-c",
        MEASURE,
        *arguments,
        f"hydra.run.dir={folder / f'out{minutes:g}'}",
    ]
    start = time.perf_counter()
    done = subprocess.run(line, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the run on {minutes:g} minutes failed:\n{done.stderr}")
    return {
        "minutes": minutes,
        "peak_rss_mb": int(done.stdout.split()[-1]),
        "seconds": time.perf_counter() - start,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[10, 60])
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    before, rows = machine.describe(), []
    for minutes in options.minutes:
        rows.append(run(options.folder, minutes))
        print(rows[-1], flush=True)
    lines = ["| file, 48 kHz stereo | peak resident memory | time |", "|---|---:|---:|"]
    lines += [
        f"| {row['minutes']:g} min | {row['peak_rss_mb'] / 1024:.2f} GB | {row['seconds'] / 60:.1f} min |"
        for row in rows
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "memory.json").write_text(
        json.dumps({"machine": before, "rows": rows}, indent=1) + "\n"
    )
    (RESULTS / "memory.md").write_text(machine.line(before) + "\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
