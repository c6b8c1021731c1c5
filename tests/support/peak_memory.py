"""Peak memory of a whole run on a file of some minutes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from speechclean.audio.sound_files import load, save_chunks
from speechclean.audio.waveform import Audio, resample
from speechclean.stages.datasets.manifest import Pilot

#: Runs a command and prints the peak resident memory of it, in MiB.
MEASURE = """
import resource, subprocess, sys
command = [sys.executable, "-m", "speechclean", *sys.argv[1:]]
code = subprocess.call(command, stdout=subprocess.DEVNULL)
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
    """Run `speechclean` on a file of that length in a process of its own: `minutes`, its peak
    memory `peak_rss_mb` in MiB, its `seconds`. Raises RuntimeError where the run fails."""
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
