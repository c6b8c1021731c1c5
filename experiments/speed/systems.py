r"""One measurement in a process of its own: load, warm up, time, and say what memory it took.

    python -m experiments.speed.systems \
        '{"system": "demucs", "model": "htdemucs_ft", "folder": "...", "seconds": 6, ...}'

prints one line of json. `system` is `speechclean` or the package that the model comes from, called
as its own command calls it.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speechclean.system import parallel

#: Models that denoise speech at 16 kHz, by their file; all others separate.
DENOISERS = {"dns64": "dns64.th", "embedded_denoiser": "embedded_denoiser.th"}
#: The two published separators, and what stands for the whole heavy pipeline with both of them and
#: DNS64.
SEPARATORS, PIPELINE = ("htdemucs_ft", "mdx_extra_q"), "heavy pipeline"


Run = Callable[[list[Tensor]], list[Tensor]]


def speechclean(case: dict[str, Any]) -> tuple[Run, int, int]:
    """The engine of speechclean.

    The speech of each of some waveforms `[channels, samples]`; their channels and rate.
    """
    from speechclean.audio.waveform import Audio
    from speechclean.experiment.config.compose import composed
    from speechclean.experiment.process import set_up_process
    from speechclean.stages.enhancement.denoiser import Denoiser
    from speechclean.stages.separators.demucs import DemucsSeparator
    from speechclean.stages.types import Separation

    set_up_process()  # as every command does
    folder, model, device = case["folder"], case["model"], case["device"]
    if model == PIPELINE:
        return heavy_pipeline(case), 2, 44100
    if model in DENOISERS:
        denoiser = Denoiser(str(Path(folder) / DENOISERS[model]), wet=1.0, device=device)
        denoiser.sample_rate  # noqa: B018 (loads it)

        def denoise(waveform: Tensor) -> Tensor:
            audio = Audio(waveform, 16000)
            return denoiser(Separation(audio, audio, torch.ones(1, 1, 1))).speech.waveform

        on_cpu = device == "cpu"
        return (
            lambda waveforms: [done for _, done in parallel.ordered(denoise, waveforms, on_cpu)],
            1,
            16000,
        )
    chosen: Any = composed([f"separators=[{model}]", f"device={device}"]).separators[model]
    # Without shifts answers are compared with demucs', which gives a clip its own length.
    step_s = chosen.length_step_s if case["shifts"] or device != "cpu" else 0.0
    knobs = {"shifts": case["shifts"], "length_step_s": step_s}
    separator = DemucsSeparator(model, folder, device=device, **knobs)
    # rate and channels are the network's own, which a separator does not show
    network = separator._networks[0].module  # noqa: SLF001
    return (
        lambda waveforms: [
            stems.speech.waveform
            for stems in separator([Audio(waveform, network.samplerate) for waveform in waveforms])
        ],
        network.audio_channels,
        network.samplerate,
    )


def heavy_pipeline(case: dict[str, Any]) -> Run:
    """`experiment=best_pipeline` on the weights in `case["folder"]`.

    Segments are as long as demucs takes them.
    """
    from speechclean.audio.waveform import Audio
    from speechclean.experiment.config.build import build
    from speechclean.experiment.config.compose import composed

    folder = case["folder"]
    overrides = [f"separators.{name}.repo={folder}" for name in SEPARATORS]
    overrides += [
        "separators.htdemucs_ft.segment_s=null",
        f"shifts={case['shifts']}",
        f"device={case['device']}",
    ]
    overrides += [f"enhancement.model={Path(folder) / DENOISERS['dns64']}"]
    overrides += ["tracking=none", "metrics=[]", f"output.dir={folder}"]
    cfg: Any = composed(["experiment=best_pipeline", *overrides])
    pipeline = build(cfg).pipeline
    return lambda waveforms: [
        done.speech.waveform
        for done in pipeline([Audio(waveform, 44100) for waveform in waveforms])
    ]


def demucs(case: dict[str, Any]) -> tuple[Run, int, int]:
    """What `python -m demucs` does between reading and writing.

    All stems by `apply_model`, file by file.
    """
    from demucs.apply import apply_model
    from demucs.pretrained import get_model

    if case["model"] == PIPELINE:
        return packages(case), 2, 44100
    model = get_model(case["model"], Path(case["folder"]))
    speech = next(
        model.sources.index(name) for name in ("speech", "vocals") if name in model.sources
    )

    def separate(waveform: Tensor) -> Tensor:
        scale = waveform.std(correction=0)
        stems = apply_model(
            model,
            waveform[None] / scale,
            shifts=case["shifts"],
            overlap=0.25,
            device=case["device"],
        )
        return stems[0, speech] * scale

    return (
        lambda waveforms: [separate(waveform) for waveform in waveforms],
        model.audio_channels,
        model.samplerate,
    )


def denoiser(case: dict[str, Any]) -> tuple[Run, int, int]:
    """`denoiser.enhance`, file by file; it sets itself to one thread."""
    from denoiser.enhance import get_estimate

    from speechclean.networks import checkpoints

    path = Path(case["folder"]) / DENOISERS[case["model"]]
    model = checkpoints.build(checkpoints.read(path), path).to(case["device"])
    options = argparse.Namespace(streaming=False, dry=0)
    return (
        lambda waveforms: [
            get_estimate(model, one[:, None].to(case["device"]), options)[:, 0].cpu()
            for one in waveforms
        ],
        1,
        16000,
    )


def packages(case: dict[str, Any]) -> Run:
    """Both separators by demucs, and the mean of their answers by denoiser, file by file.

    No fusion, no filter, no loudness.
    """
    from speechclean.audio.waveform import Audio, resample

    threads = torch.get_num_threads()
    parts = [demucs(case | {"model": name})[0] for name in SEPARATORS]
    denoise = denoiser(case | {"model": "dns64"})[0]

    def clean(waveform: Tensor) -> Tensor:
        torch.set_num_threads(threads)  # denoiser leaves one
        mean = torch.stack([part([waveform])[0] for part in parts]).mean(0)
        return denoise([resample(Audio(mean, 44100), 16000).waveform])[0]

    return lambda waveforms: [clean(waveform) for waveform in waveforms]


def count_flops(run: Run, waveforms: list[Tensor]) -> int:
    """Floating-point operations of products and convolutions in a pass.

    Recurrent layers and transforms are not counted.
    """
    from torch.utils.flop_counter import FlopCounterMode

    torch.set_num_threads(1)  # a counter sees its own thread alone
    with FlopCounterMode(display=False) as counter:
        run(waveforms)
    return counter.get_total_flops()


def measure(case: dict[str, Any]) -> dict[str, Any]:
    """Seconds to load, seconds per pass, peak memory of the process in MB.

    The answers go to `case["answer"]` if given.
    """
    start = time.perf_counter()
    run, channels, sample_rate = {
        "speechclean": speechclean,
        "demucs": demucs,
        "denoiser": denoiser,
    }[case["system"]](case)
    loaded = time.perf_counter() - start
    generator = torch.Generator().manual_seed(0)
    samples = int(case["seconds"] * sample_rate)
    waveforms = [
        0.1 * torch.randn(channels, samples, generator=generator)
        for _ in range(case.get("clips", 1))
    ]
    run([waveform[:, :sample_rate] for waveform in waveforms[:2]])
    times = []
    for _ in range(case["repeats"]):
        start = time.perf_counter()
        answers = run(waveforms)
        times.append(time.perf_counter() - start)
    if case.get("answer"):
        torch.save(torch.cat(answers, -1), case["answer"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    operations = count_flops(run, waveforms) if case.get("flops") else None
    device_peak = torch.cuda.max_memory_allocated() / 2**20 if case["device"] != "cpu" else None
    return {
        "load_s": loaded,
        "times_s": times,
        "peak_rss_mb": peak,
        "peak_device_mb": device_peak,
        "flops": operations,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", type=json.loads)
    print(json.dumps(measure(parser.parse_args().case)))
