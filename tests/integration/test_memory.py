"""Long files do not take more memory than short ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from speechclean.audio import Audio, load, resample, save_chunks
from speechclean.datasets.manifest import Pilot
from tests.integration.conftest import environment

#: Runs a command and prints the peak resident memory of it, in MiB.
MEASURE = """
import resource, subprocess, sys
code = subprocess.call([sys.executable, "-m", "speechclean", *sys.argv[1:]], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(code)
"""


def long_file(folder: Path, minutes: float) -> Path:
    """The pilot's mixtures again and again, 48 kHz stereo."""
    clips = [resample(load(track.path).mono(), 48000).waveform.expand(2, -1) for track in Pilot().tracks()]
    turn = Audio(torch.cat(clips, -1), 48000)
    turns = round(minutes * 60 / turn.seconds)
    path = folder / f"{minutes}.wav"
    return save_chunks((turn.waveform for _ in range(turns)), path, 48000, 2, "PCM_16", turns * turn.samples)


@pytest.mark.slow
def test_memory_is_flat(tmp_path: Path) -> None:
    """Six and twelve minutes of stereo through the whole default pipeline: at most 1.5 GiB, and the same within a tenth."""
    peaks = []
    for minutes in (6, 12):
        arguments = [f"dataset.pattern={long_file(tmp_path, minutes)}", "dataset=folder", "tracking=none"]
        line = [sys.executable, "-c", MEASURE, *arguments, f"hydra.run.dir=out{minutes}", "metrics=[lufs]"]
        done = subprocess.run(line, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] <= 1536, peaks
    assert peaks[1] <= 1.1 * peaks[0], peaks
