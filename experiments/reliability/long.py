"""A file of hours among short ones.

In how much memory does a batch take it, and does all of it come out?

    python -m experiments.reliability.long FOLDER [--hours 0.17 4] [--data DIR] [--write]

FOLDER is scratch. Every length is a batch of its own over one mono file of 24 kHz (speech under
music, 173 MB an hour in 16 bits) and twenty clips of seconds, watched from outside. `--write` puts
the table into README.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import soundfile

from experiments import texts
from experiments.reliability.clips import RATE, make
from experiments.reliability.watch import watched
from experiments.speed import machine
from tests.support import batch_folder

HERE = Path(__file__).parent
CLIPS = 20


def write_long(path: Path, clips: Path, hours: float) -> int:
    """Clips one after the other until the time is over; samples."""
    sounds = [soundfile.read(clip, dtype="float32")[0] for clip in sorted(clips.iterdir())]
    wanted, done = int(hours * 3600 * RATE), 0
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        while done < wanted:
            for sound in sounds:
                piece = sound[: wanted - done]
                file.write(piece)
                done += len(piece)
    return wanted


def batch(folder: Path, clips: Path, hours: float) -> dict[str, Any]:
    """One batch: what became of its files, how long it took and in how much memory."""
    inputs, out = folder / f"in{hours:g}", folder / f"out{hours:g}"
    subprocess.run(["rm", "-rf", str(inputs), str(out)], check=True)
    inputs.mkdir(parents=True)
    for clip in clips.iterdir():
        (inputs / clip.name).symlink_to(clip)
    samples = write_long(inputs / "hours.wav", clips, hours)
    line = [
        sys.executable,
        "-m",
        "speechclean",
        "batch=local",
        "tracking=none",
        "dataset=folder",
        f"dataset.pattern={inputs}",
    ]
    status, wall, watch = watched([*line, f"batch.out={out}"])
    done = [one for one in batch_folder.ledger(out) if one["status"] == "cleaned"]
    cleaned = out / next((one["output"] for one in done if one["alias"] == "hours"), "missing")
    whole = cleaned.is_file() and soundfile.info(cleaned).frames == samples
    return {
        "hours": hours,
        "status": status,
        "files": CLIPS + 1,
        "cleaned": len(done),
        "whole": whole,
        "wall_s": wall,
        "speed": samples / RATE / wall,
        "peak_gb": watch.peak / 1e9,
        "growth": watch.growth(),
    }


def markdown(result: dict[str, Any]) -> str:
    lines = [
        "| the file | finished | all of it | minutes | × real time | peak of all processes | "
        "late over early |"
    ]
    lines += ["|---|---|---|---:|---:|---:|---:|"]
    for row in result["rows"]:
        length = f"{row['hours']:g} h" if row["hours"] >= 1 else f"{60 * row['hours']:.0f} min"
        whole = "yes" if row["whole"] else "**no**"
        lines.append(
            f"| {length} | {row['cleaned']} of {row['files']} | {whole} | {row['wall_s'] / 60:.1f} "
            f"| {row['speed']:.1f} | {row['peak_gb']:.2f} GB | × {row['growth']:.2f} |"
        )
    return "\n".join([machine.line(result["machine"]), "", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hours", type=float, nargs="+", default=[1 / 6, 4.0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/dev"))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    folder, before = options.folder.resolve(), machine.describe()
    clips = folder / "clips"
    if not clips.is_dir():
        make(clips, options.data, CLIPS)
    result: dict[str, Any] = {"machine": before, "rows": []}
    for hours in options.hours:
        result["rows"].append(batch(folder, clips, hours))
        print(json.dumps(result["rows"][-1]), flush=True)
    print(markdown(result))
    if options.write:
        texts.record(HERE, "long", result, markdown(result))


if __name__ == "__main__":
    main()
