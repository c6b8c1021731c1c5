r"""Every check that wants a GPU, in one command of under four minutes; without one, its CPU part.

    python -m experiments.speed.gpu --work /tmp/gpu

Parity with the CPU, the tests that are skipped without a GPU, the separators at three precisions,
the pipelines over a folder of clips with the share of the time in which the device computed, a
training of 20 s. Prints a table and writes it with the machine's name into results/gpu.md; ends in
1 where something is not as it should be. On a CPU the same with fewer clips and the networks that
ship, into results/gpu_cpu_part.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import soundfile
import torch

from experiments.speed import machine, systems
from experiments.speed.gpu_job import Job, Row, heavy, waveforms
from speechclean.audio.waveform import Audio
from speechclean.experiment.config.resolvers import length_step
from speechclean.stages.datasets.manifest import Pilot
from speechclean.stages.separators.demucs import DemucsSeparator
from speechclean.stages.separators.precision import GATE_DB, snr_db
from speechclean.system.device_busy import DeviceBusy

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OWN = ("embedded_htdemucs", "embedded_hdemucs_q", "embedded_hdemucs24", "embedded_hdemucs36")
#: An fp32 answer of a GPU keeps this over its difference to the CPU's.
PARITY_DB = 90.0


def parity(job: Job) -> Iterator[Row]:
    """The networks that ship, on the device and on the CPU in the same scheme of lengths."""
    sounds = [Audio(one, 24000) for one in waveforms(job, 1, 24000)[:4]]
    for name in OWN:
        knobs: dict[str, Any] = {"repo": "embedded", "shifts": 2, "length_step_s": 1.0}
        expected = DemucsSeparator(name, device="cpu", **knobs)(sounds)
        for precision in job.precisions:
            own = DemucsSeparator(name, device=str(job.device), precision=precision, **knobs)
            kept = min(
                snr_db(one.speech.waveform, other.speech.waveform.cpu())
                for one, other in zip(expected, own(sounds), strict=True)
            )
            least = PARITY_DB if precision == "fp32" else GATE_DB
            yield Row(f"{name}, {precision}, against the CPU", f"{kept:.0f} dB", kept >= least)


def tests(job: Job) -> Iterator[Row]:  # noqa: ARG001 (pytest finds the GPU by itself)
    """The tests that are skipped where there is no GPU."""
    command = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        "tests/stages/separators/test_cuda.py",
    ]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-200:]
    yield Row("tests of the GPU", last.strip("= "), done.returncode == 0)


def separators(job: Job) -> Iterator[Row]:
    """Seconds for all clips in one call, at each precision."""
    models = [("embedded_hdemucs36", "embedded")]
    if job.on_gpu:
        models += [(name, str(heavy(job))) for name in systems.SEPARATORS]
    for name, folder in models:
        for precision in job.precisions:
            yield _timed(job, name, folder, precision)


def _timed(job: Job, name: str, folder: str, precision: str) -> Row:
    started = time.perf_counter()
    separator = DemucsSeparator(
        name,
        folder,
        job.shifts,
        device=str(job.device),
        precision=precision,
        length_step_s=length_step(str(job.device)),
    )
    rate = separator.sample_rate
    loaded = time.perf_counter() - started
    network = separator._networks[0]  # noqa: SLF001 (channels are not shown otherwise)
    sounds = [Audio(one, rate) for one in waveforms(job, network.module.audio_channels, rate)]
    separator(sounds[:2])
    with DeviceBusy(job.device) as busy:
        started = time.perf_counter()
        answers = separator(sounds)
        wall = time.perf_counter() - started
    total = sum(one.seconds for one in sounds)
    told = f"{wall:.1f} s, ×{total / wall:.0f} real time, loaded in {loaded:.1f} s"
    if network.precision != precision:
        told += f", in {network.precision}: the gate refused"
    if busy.percent is not None:
        told += f", {busy.told()}"
    finite = all(bool(one.speech.waveform.isfinite().all()) for one in answers)
    what = f"{name}, {precision}, {job.clips} clips, {job.shifts} shifts"
    return Row(what, told, finite)


def pipelines(job: Job) -> Iterator[Row]:
    """Whole runs over a folder of clips: the default's, and the heavy one on random weights."""
    folder = job.work / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    sounds = waveforms(job, 1, 24000)
    for index, one in enumerate(sounds):
        soundfile.write(folder / f"{index:04d}.wav", one[0].numpy(), 24000)
    presets = {"balanced": ["experiment=balanced"]}
    if job.on_gpu:
        weights = heavy(job)
        named = [f"separators.{name}.repo={weights}" for name in systems.SEPARATORS]
        model = f"enhancement.model={weights / systems.DENOISERS['dns64']}"
        presets["best_pipeline"] = [
            "experiment=best_pipeline",
            *named,
            model,
            f"shifts={job.shifts}",
        ]
    total = sum(len(one) / 24000 for one in sounds for one in one)
    for name, overrides in presets.items():
        out = job.work / name
        more = [
            f"dataset.pattern={folder}/*.wav",
            "metrics=[]",
            "tracking=none",
            "audio_in_memory_s=1200",
            f"output.dir={out}",
        ]
        command = [sys.executable, "-m", "speechclean", *overrides, "dataset=folder", *more]
        started = time.perf_counter()
        done = subprocess.run(
            [*command, f"device={job.device}"], cwd=ROOT, capture_output=True, text=True
        )
        wall = time.perf_counter() - started
        busy = re.search(r"device busy \d+ %", done.stdout)
        told = f"{wall:.1f} s, start and loading included, ×{total / wall:.0f} real time"
        told += f", {busy[0]}" if busy else ""
        if done.returncode:
            told = done.stderr.strip()[-300:]
        yield Row(f"{name}, whole run, {job.clips} clips", told, done.returncode == 0)


def training(job: Job) -> Iterator[Row]:
    """A training of some seconds with a validation at its end, on the pilot's own sounds."""
    speech, music = job.work / "speech", job.work / "music"
    for folder in (speech, music):
        folder.mkdir(parents=True, exist_ok=True)
    for track in Pilot().tracks():
        mixture, rate = soundfile.read(track.path)
        reference, _ = soundfile.read(track.reference_path)
        soundfile.write(speech / f"{track.alias}.wav", reference, rate)
        soundfile.write(music / f"{track.alias}.wav", mixture - reference, rate)
    minutes = job.training_s / 60
    command = [sys.executable, "-m", "experiments.embedded_models.train", "network=hdemucs"]
    command += [f"data.speech={speech}", f"data.music={music}", f"minutes={minutes:.3f}"]
    command += [f"device={job.device.type}", f"hydra.run.dir={job.work / 'training'}", "batch=8"]
    command += ["valid_count=4", "tracking=none"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    good = done.returncode == 0
    said = (done.stdout + done.stderr).splitlines() if good else []
    scores = [line.strip() for line in said if "mask_db" in line]
    told = scores[-1] if scores else done.stderr.strip()[-300:] or "to its end"
    yield Row(f"training, {job.training_s:.0f} s", told, good)


STEPS: dict[str, Callable[[Job], Iterator[Row]]] = {
    "parity": parity,
    "tests": tests,
    "separators": separators,
    "pipelines": pipelines,
    "training": training,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="a scratch folder, 2 GB on a GPU")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--clips", type=int, help="of 3 to 10 s; 554 are an hour")
    options = parser.parse_args()
    gpu = torch.cuda.is_available()
    clips = options.clips or (554 if gpu else 4)
    device = torch.device("cuda" if gpu else "cpu")
    job = Job(device, options.work, clips, 4 if gpu else 1, 20.0 if gpu else 5.0)
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))
    described, rows = machine.describe(), []
    for name in options.only:
        started = time.perf_counter()
        for row in STEPS[name](job):
            rows.append(row)
            print(row.cells(), flush=True)
        rows.append(Row(f"{name}: all", f"{time.perf_counter() - started:.0f} s"))
    lines = ["| what | found | as it should be |", "|---|---|---|", *(row.cells() for row in rows)]
    results = HERE / "results" / ("gpu.md" if gpu else "gpu_cpu_part.md")
    results.write_text(machine.line(described) + "\n\n" + "\n".join(lines) + "\n")
    print(json.dumps({"written": str(results)}))
    raise SystemExit(any(row.good is False for row in rows))


if __name__ == "__main__":
    main()
