"""One measurement in a process of its own: load, warm up, time, and say what memory it took.

    python -m experiments.speed.systems '{"system": "demucs", "model": "htdemucs_ft", "folder": "...", "seconds": 6, ...}'

prints one line of json. `system` is `speechclean` or the package that the model comes from, called as its own command calls it.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

#: Models that denoise speech at 16 kHz, by their file; all others separate.
DENOISERS = {"dns64": "dns64.th", "embedded_denoiser": "embedded_denoiser.th"}


def speechclean(case: dict[str, Any]) -> tuple[Callable[[Tensor], Tensor], int, int]:
    """This engine: the speech of `[channels, samples]`; its channels and rate."""
    from speechclean.audio import Audio
    from speechclean.enhancement.denoiser import Denoiser
    from speechclean.separation import Separation
    from speechclean.separators.demucs import DemucsSeparator

    folder, model, device = case["folder"], case["model"], case["device"]
    if model in DENOISERS:
        denoiser = Denoiser(str(Path(folder) / DENOISERS[model]), wet=1.0, device=device)
        denoiser.sample_rate  # noqa: B018 (loads it)

        def denoise(waveform: Tensor) -> Tensor:
            audio = Audio(waveform, 16000)
            return denoiser(Separation(audio, audio, torch.ones(1, 1, 1))).speech.waveform

        return denoise, 1, 16000
    separator = DemucsSeparator(model, folder, shifts=case["shifts"], device=device, tuned=case.get("tuned", False))
    network = separator._networks[0].module
    return (
        lambda waveform: separator([Audio(waveform, network.samplerate)])[0].speech.waveform,
        network.audio_channels,
        network.samplerate,
    )


def demucs(case: dict[str, Any]) -> tuple[Callable[[Tensor], Tensor], int, int]:
    """What `python -m demucs` does between reading and writing: all stems by `apply_model`."""
    from demucs.apply import apply_model
    from demucs.pretrained import get_model

    model = get_model(case["model"], Path(case["folder"]))
    speech = next(model.sources.index(name) for name in ("speech", "vocals") if name in model.sources)

    def separate(waveform: Tensor) -> Tensor:
        scale = waveform.std(correction=0)
        stems = apply_model(model, waveform[None] / scale, shifts=case["shifts"], overlap=0.25, device=case["device"])
        return stems[0, speech] * scale

    return separate, model.audio_channels, model.samplerate


def denoiser(case: dict[str, Any]) -> tuple[Callable[[Tensor], Tensor], int, int]:
    """`denoiser.enhance` on one file; it sets itself to one thread."""
    from denoiser.enhance import get_estimate

    from speechclean import checkpoints

    path = Path(case["folder"]) / DENOISERS[case["model"]]
    model = checkpoints.build(checkpoints.read(path), path).to(case["device"])
    options = argparse.Namespace(streaming=False, dry=0)
    return lambda waveform: get_estimate(model, waveform[None].to(case["device"]), options)[0].cpu(), 1, 16000


def measure(case: dict[str, Any]) -> dict[str, Any]:
    """Seconds to load, seconds per pass, peak memory of the process in MB; the answer is left in `case["answer"]` if given."""
    start = time.perf_counter()
    run, channels, sample_rate = {"speechclean": speechclean, "demucs": demucs, "denoiser": denoiser}[case["system"]](case)
    loaded = time.perf_counter() - start
    generator = torch.Generator().manual_seed(0)
    waveform = 0.1 * torch.randn(channels, int(case["seconds"] * sample_rate), generator=generator)
    run(waveform[:, :sample_rate])
    times = []
    for _ in range(case["repeats"]):
        start = time.perf_counter()
        answer = run(waveform)
        times.append(time.perf_counter() - start)
    if case.get("answer"):
        torch.save(answer, case["answer"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    device_peak = torch.cuda.max_memory_allocated() / 2**20 if case["device"] != "cpu" else None
    return {"load_s": loaded, "times_s": times, "peak_rss_mb": peak, "peak_device_mb": device_peak}


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
