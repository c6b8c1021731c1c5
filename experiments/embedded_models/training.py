"""The training loop: steps, validations, checkpoints.

Every step's crops hang on (seed, step) alone, so a training that was stopped and resumed, or whose
crops other processes mixed, has seen the same; with `steps` as its length it ends in the same bits.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader, Dataset

from experiments.embedded_models.data import bank_folders
from experiments.embedded_models.losses import Weights
from experiments.embedded_models.optimisers import Learner
from experiments.embedded_models.quantise import attach
from experiments.embedded_models.settings import Settings
from experiments.embedded_models.tasks import DenoisingTask, SeparationTask
from speechclean.networks import checkpoints
from speechclean.networks.weights import demucs_bag, denoiser_file
from speechclean.records.tracking import Run
from speechclean.system import allocator
from speechclean.system.device import torch_device

from . import networks

SAVE_EVERY_S = 90.0
Task = SeparationTask | DenoisingTask


def train(settings: Settings, out: Path, run: Run) -> dict[str, float]:
    """Train as told; the scores of the last validation."""
    device = torch_device(settings.device)
    prepare_machine(settings, device)
    task = task_of(settings, out)
    model, scorer = (networks.build(settings.network).to(device) for _ in range(2))
    if hasattr(model, "use_train_segment"):
        # crops are shorter than the segment; the scorer keeps the segment
        vars(model)["use_train_segment"] = False
    if settings.init:
        model.load_state_dict(initial(settings.init))
    learner = Learner(
        model, settings.muon_lr * settings.lr_scale, settings.lr * settings.lr_scale, settings.diffq
    )
    if settings.diffq:
        attach(scorer).no_optimizer()
    scorer.eval()
    told: dict[str, Any] = {
        "network": settings.network,
        "elapsed": 0.0,
        "step": 0,
        "heard_s": 0.0,
        "scores": {},
    }
    if settings.resume:
        last = torch.load(out / "last.pt", device, weights_only=True)
        learner.load(last)
        told = {key: last[key] for key in told}
        torch.set_rng_state(last["rng"].cpu())
        run.tags({"resumes": last.get("run") or "unknown"})
    told["run"] = run.id

    began, losses = time.monotonic() - told["elapsed"], []
    validated = saved = told["elapsed"]
    with progress_bar() as bar:
        line = bar.add_task(settings.network, total=1.0, score="")
        for batch in batches(task, settings, told["step"], device):
            done = share(settings, told["step"], time.monotonic() - began)
            losses.append(advance(learner, task, batch, settings, done))
            told["step"] += 1
            told["heard_s"] += settings.batch * settings.data.crop_s
            told["elapsed"] = time.monotonic() - began
            done = share(settings, told["step"], told["elapsed"])
            bar.update(line, completed=done)
            if told["elapsed"] - validated >= 60 * settings.valid_every or done >= 1:
                scorer.load_state_dict(learner.average.state)
                told["scores"] = task.score(scorer)
                row = {
                    "minutes": told["elapsed"] / 60,
                    "step": told["step"],
                    "hours_heard": told["heard_s"] / 3600,
                }
                row |= {"loss": float(torch.stack(losses).mean()), **told["scores"]}
                row |= (
                    {"megabytes": learner.quantizer.true_model_size()} if learner.quantizer else {}
                )
                append(out / "curve.csv", row)
                run.metrics(row, told["step"])
                bar.update(
                    line,
                    score=" ".join(f"{key} {value:.2f}" for key, value in told["scores"].items()),
                )
                losses, validated = [], told["elapsed"]
            if told["elapsed"] - saved >= SAVE_EVERY_S or done >= 1:
                save(out / "last.pt", learner.state() | told | {"rng": torch.get_rng_state()})
                saved = told["elapsed"]
            if done >= 1:
                return told["scores"]
    raise AssertionError("batches never end")


def share(settings: Settings, step: int, elapsed_s: float) -> float:
    """How much of the training is over, 0 to 1: by steps or minutes, whichever is further."""
    by_steps = step / settings.steps if settings.steps else 0.0
    by_time = elapsed_s / 60 / settings.minutes if settings.minutes else 0.0
    return min(1.0, max(by_steps, by_time))


def advance(
    learner: Learner, task: Task, batch: Tensor, settings: Settings, progress: float
) -> Tensor:
    """One step; its loss, which nobody waits for."""
    lower = (
        torch.autocast(batch.device.type, torch.bfloat16)
        if settings.precision == "bf16"
        else nullcontext()
    )
    # 10 % faster at these lengths
    fused = nullcontext() if batch.device.type == "cuda" else sdpa_kernel(SDPBackend.MATH)
    with fused, lower:
        loss = task.loss(learner.model, batch)
    learner.step(loss.float(), progress)
    return loss.detach()


class Crops(Dataset[Tensor]):
    """The batch of a step by its number: the same whoever mixes it, and in whatever order."""

    def __init__(self, task: Task, seed: int, size: int) -> None:
        self.task, self.seed, self.size = task, seed, size

    def __getitem__(self, step: int) -> Tensor:
        return self.task.batch(np.random.default_rng((self.seed, step)), self.size)


def batches(task: Task, settings: Settings, first: int, device: torch.device) -> Iterator[Tensor]:
    """Batches from step `first` on, without end; on a GPU copied while the step before computes."""
    crops, ahead = Crops(task, settings.seed, settings.batch), settings.data.workers > 0
    loader = DataLoader(
        crops,
        batch_size=None,
        sampler=range(first, sys.maxsize),
        num_workers=settings.data.workers,
        pin_memory=device.type == "cuda",
        prefetch_factor=4 if ahead else None,
    )
    return (batch.to(device, non_blocking=True) for batch in loader)


def task_of(settings: Settings, out: Path) -> Task:
    """What is to be learned, from the data that was named."""
    data = settings.data
    if settings.network == "denoiser":
        return DenoisingTask(Path(str(data.banks)), data.crop_s)
    banks = Path(data.banks) if data.banks else out / "banks"
    if not data.banks and not (banks / "music.csv").exists():
        folders = {"speech": data.speech, "noise": data.noise, "music": data.music}
        bank_folders(banks, {name: Path(folder) for name, folder in folders.items() if folder})
    return SeparationTask(
        banks, data.crop_s, settings.valid_count, settings.mixtures(), Weights(**settings.loss)
    )


def prepare_machine(settings: Settings, device: torch.device) -> None:
    torch.manual_seed(settings.seed)
    if device.type == "cpu":
        # convolution temporaries otherwise cost a third of the step in page faults
        allocator.keep_freed_memory()
        torch.set_num_threads(settings.threads)
    else:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = (
            settings.precision != "fp32"
        )
        # crops have one length
        torch.backends.cudnn.benchmark = True


def initial(source: str) -> dict[str, Tensor]:
    """Weights to start from.

    The average in the checkpoint of that path, or those of an embedded model of that name.
    """
    if Path(source).exists():
        content = torch.load(source, "cpu", weights_only=True)["average"]
        return {name: value for name, value in content.items() if not name.endswith("_diffq")}
    if source == "embedded_denoiser":
        path = denoiser_file(source)
    else:
        (path,) = demucs_bag(source, "embedded").files.values()
    return checkpoints.build(checkpoints.read(path), path).state_dict()


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint so that a crash half-way leaves the previous one."""
    torch.save(content, path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


def append(path: Path, row: Mapping[str, float]) -> None:
    """Add a row to the learning curve, with a header on the first."""
    first = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if first:
            writer.writeheader()
        writer.writerow({key: f"{value:.4g}" for key, value in row.items()})


def progress_bar() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[score]}"),
    )
    return Progress(*columns, console=Console(stderr=True))
