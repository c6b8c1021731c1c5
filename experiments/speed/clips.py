"""Clean 40 clips of 3 to 6 s, by this package and by a command for every file.

Two embedded separators and the embedded denoiser, against demucs and denoiser called for each clip.

    python -m experiments.speed.clips FOLDER [--sample N]

FOLDER is for the clips that are made there. Two ratios: of commands, where a call for every file
starts Python and loads the models each time, and within one process whose models are loaded, which
leaves the engines alone. Calls per file are timed on `--sample` files and scaled to 40 (loaded: by
length; commands: by number); the embedded pipeline runs on all 40. It also fuses, mixes, filters
and normalises, which the calls per file do not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from experiments.speed.compare import RESULTS
from speechclean.audio.sound_files import load, save
from speechclean.audio.waveform import Audio, resample
from speechclean.networks.weights import EMBEDDED

from . import machine

CLIPS, SHORTEST_S, LONGEST_S, SAMPLE_RATE = 40, 3.0, 6.0, 24000
SEPARATORS = ("embedded_htdemucs", "embedded_hdemucs_q")
#: The same networks in this package: more than that runs by default.
SAME = (
    f"separators=[{','.join(SEPARATORS)}]",
    "enhancement=embedded_denoiser",
    "enhancement.wet=1",
    "tracking=none",
    "metrics=[]",
)


def make(folder: Path) -> list[Path]:
    """The clips: noise, whose content does not matter for the time."""
    folder.mkdir(parents=True, exist_ok=True)
    generator, paths = torch.Generator().manual_seed(0), []
    for index in range(CLIPS):
        seconds = SHORTEST_S + (LONGEST_S - SHORTEST_S) * index / (CLIPS - 1)
        waveform = 0.1 * torch.randn(1, int(seconds * SAMPLE_RATE), generator=generator)
        paths.append(folder / f"clip{index:02d}.wav")
        save(Audio(waveform, SAMPLE_RATE), paths[-1], "PCM_16")
    return paths


def per_file_models() -> Callable[[Path], Tensor]:
    """The embedded models by the two packages that they come from.

    demucs' `apply_model` for each separator, denoiser's estimate of their mean.
    """
    from demucs.apply import apply_model
    from demucs.pretrained import get_model
    from denoiser.enhance import get_estimate

    from speechclean.networks import checkpoints

    models = [get_model(name, EMBEDDED) for name in SEPARATORS]
    path = EMBEDDED / "embedded_denoiser.th"
    denoiser = checkpoints.build(checkpoints.read(path), path)
    threads = torch.get_num_threads()

    def clean(path: Path) -> Tensor:
        torch.set_num_threads(threads)  # denoiser leaves one
        audio = load(path)
        stems = [
            apply_model(model, audio.waveform[None], shifts=1)[0, model.sources.index("speech")]
            for model in models
        ]
        heard = resample(audio.with_waveform(torch.stack(stems).mean(0)), 16000).waveform
        return get_estimate(denoiser, heard[None], argparse.Namespace(streaming=False, dry=0))

    return clean


def engine(paths: list[Path]) -> float:
    """Seconds of the embedded pipeline on all clips, models loaded and warm."""
    from speechclean.experiment.config.build import build
    from speechclean.experiment.config.compose import composed
    from speechclean.experiment.process import set_up_process

    set_up_process()  # as every command does
    folder = paths[0].parent
    cfg: Any = composed(
        ["dataset=folder", f"dataset.pattern={folder}", *SAME, f"output.dir={folder}"]
    )
    pipeline = build(cfg).pipeline
    pipeline([load(paths[0])])
    start = time.perf_counter()
    pipeline([load(path) for path in paths])
    return time.perf_counter() - start


def timed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, default=8)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        per_file_models()(options.one)
        return
    before, paths = machine.describe(), make(options.folder)
    sample = paths[:: CLIPS // options.sample][: options.sample]
    scale = sum(load(path).seconds for path in paths) / sum(load(path).seconds for path in sample)
    clean = per_file_models()
    clean(paths[0])
    start = time.perf_counter()
    for path in sample:
        clean(path)
    loaded = scale * (time.perf_counter() - start)
    torch.set_num_threads(before["threads"])
    ours_loaded = engine(paths)
    here = [sys.executable, "-m", "experiments.speed.clips", str(options.folder), "--one"]
    commands = CLIPS / len(sample) * sum(timed([*here, str(path)]) for path in sample)
    run = [
        sys.executable,
        "-m",
        "speechclean",
        "dataset=folder",
        f"dataset.pattern={options.folder}",
        *SAME,
    ]
    run += [
        "output.plots=false",
        "output.ab_seconds=0",
        f"hydra.run.dir={options.folder.parent / 'clips_out'}",
    ]
    ours_commands = timed(run)
    result = {
        "machine": before,
        "clips": CLIPS,
        "sample": len(sample),
        "commands": {
            "theirs_s": commands,
            "ours_s": ours_commands,
            "ratio": commands / ours_commands,
        },
        "loaded": {"theirs_s": loaded, "ours_s": ours_loaded, "ratio": loaded / ours_loaded},
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "clips.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
