"""Train one of the networks within a budget of wall-clock minutes, on one CPU core.

    python -m experiments.embedded_models.train htdemucs --data /tmp/banks --out /tmp/htdemucs --minutes 85
    python -m experiments.embedded_models.train hdemucs --data /tmp/banks --out /tmp/hdemucs --minutes 50
    python -m experiments.embedded_models.train hdemucs --data /tmp/banks --out /tmp/hdemucs_q --minutes 10 \\
        --init /tmp/hdemucs/last.pt --diffq 0.5
    python -m experiments.embedded_models.train denoiser --data /tmp/remains --out /tmp/denoiser --minutes 20

Writes `last.pt` (go on with `--resume`) and `curve.csv`: a row per validation with the training loss, the hours of audio
heard and the scores on held-out voices and tracks. Banks put into the data folder meanwhile are taken up at the next one.
"""

import argparse
import csv
import ctypes
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from experiments.embedded_models import networks
from experiments.embedded_models.mixing import Recipe
from experiments.embedded_models.muon import Muon, split_parameters
from experiments.embedded_models.quantise import attach
from experiments.embedded_models.tasks import DenoisingTask, SeparationTask
from speechclean import checkpoints
from speechclean.weights import demucs_bag, denoiser_file

SAVE_EVERY = 3.0  # minutes


def keep_pages() -> None:
    """Ask glibc to hand no memory back: convolution temporaries otherwise cost a third of the step in page faults."""
    libc = ctypes.CDLL("libc.so.6")
    libc.mallopt(-4, 0)  # M_MMAP_MAX: nothing by mmap
    libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: never trim


def rate(progress: float, warm: float = 0.02) -> float:
    """Share of the peak learning rate at `progress` in 0..1: linear warm-up, then a cosine down to 1 %."""
    if progress < warm:
        return progress / warm
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm) / (1 - warm))))


def initial(source: str) -> dict[str, torch.Tensor]:
    """Weights to start from: the average in the checkpoint of that path, or those of an embedded model of that name."""
    if Path(source).exists():
        content = torch.load(source, weights_only=True)["average"]
        return {name: value for name, value in content.items() if not name.endswith("_diffq")}
    if source == "embedded_denoiser":
        path = denoiser_file(source)
    else:
        (path,) = demucs_bag(source, "embedded").files.values()
    return checkpoints.build(checkpoints.read(path), path).state_dict()


class Average:
    """Exponential moving average of the weights; short at first, `decay` later."""

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self.decay, self.steps = decay, 0
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def update(self, model: nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (20 + self.steps))
        for name, value in model.state_dict().items():
            self.state[name].lerp_(value, 1 - decay) if value.is_floating_point() else self.state[name].copy_(value)


def save(path: Path, content: dict) -> None:
    """Write a checkpoint so that a crash half-way leaves the previous one."""
    torch.save(content, path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


def append(path: Path, row: dict[str, float]) -> None:
    """Add a row to the learning curve, with a header on the first."""
    first = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if first:
            writer.writeheader()
        writer.writerow({key: f"{value:.4g}" for key, value in row.items()})
    print(" ".join(f"{key}={value:.4g}" for key, value in row.items()), flush=True)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=sorted(networks.NETWORKS))
    parser.add_argument("--data", type=Path, required=True, help="folder written by data.py (denoiser: remains.py)")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and learning curve")
    parser.add_argument("--minutes", type=float, required=True, help="wall-clock budget; the schedule hangs on it")
    parser.add_argument("--init", help="start from a checkpoint's averaged weights, or from a shipped model by its name")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/last.pt, schedule included")
    parser.add_argument("--batch", type=int, default=3)
    parser.add_argument("--crop-s", type=float, default=3.0)
    parser.add_argument("--lr", type=float, default=1.5e-3, help="AdamW's, for biases, norms and embeddings")
    parser.add_argument("--muon-lr", type=float, default=4e-3, help="Muon's, for everything with two or more axes")
    parser.add_argument("--real", type=float, default=Recipe.real, help="share of crops from real recordings, 0 to 1")
    parser.add_argument("--diffq", type=float, default=0.0, help="penalty per MB; trains with DiffQ's noise if above 0")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--valid-every", type=float, default=5.0, help="minutes between validations")
    parser.add_argument("--valid-count", type=int, default=48, help="held-out mixtures of 4 s")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    keep_pages()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    denoising = args.network == "denoiser"
    recipe = Recipe(real=args.real)
    task = (
        DenoisingTask(args.data, args.crop_s) if denoising else SeparationTask(args.data, args.crop_s, args.valid_count, recipe)
    )
    model, scorer = networks.build(args.network), networks.build(args.network)
    if hasattr(model, "use_train_segment"):
        model.use_train_segment = False  # crops are shorter than the segment; the scorer keeps the segment
    if args.init:
        model.load_state_dict(initial(args.init))
    matrices, rest = split_parameters(model)
    muon = Muon([{"params": matrices, "peak": args.muon_lr}])
    adamw = torch.optim.AdamW([{"params": rest, "peak": args.lr}], lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0)
    quantizer = None
    if args.diffq:
        quantizer = attach(model)
        quantizer.setup_optimizer(adamw, peak=5e-3)  # a few hundred steps: 8 bits can become 6, not 2
        attach(scorer).no_optimizer()
    scorer.eval()
    average, elapsed, step, heard_s = Average(model), 0.0, 0, 0.0
    if args.resume:
        last = torch.load(args.out / "last.pt", weights_only=True)
        model.load_state_dict(last["model"])
        muon.load_state_dict(last["muon"])
        adamw.load_state_dict(last["adamw"])
        average.state, average.steps = last["average"], last["step"]
        elapsed, step, heard_s = last["elapsed"], last["step"], last["heard_s"]
    rng = np.random.default_rng((args.seed, step))
    print(f"{args.network}: {networks.count(model) / 1e6:.2f} M parameters", flush=True)

    began, losses, done = time.monotonic() - elapsed, [], False
    next_valid, next_save, scores = elapsed / 60 + args.valid_every, elapsed / 60 + SAVE_EVERY, {}
    while not done:
        minutes = (time.monotonic() - began) / 60
        for group in muon.param_groups + adamw.param_groups:
            group["lr"] = rate(minutes / args.minutes) * group["peak"]
        batch = task.batch(rng, args.batch)
        with sdpa_kernel(SDPBackend.MATH):  # 10 % faster than the fused kernel at these lengths
            loss = task.loss(model, batch)
            model.zero_grad()
            (loss + args.diffq * quantizer.model_size() if quantizer else loss).backward()
        if torch.isfinite(nn.utils.clip_grad_norm_(model.parameters(), 5.0)):
            muon.step()
            adamw.step()
            average.update(model)
        losses.append(float(loss.detach()))
        step, heard_s = step + 1, heard_s + args.batch * args.crop_s
        done = minutes >= args.minutes
        if minutes >= next_valid or done:
            scorer.load_state_dict(average.state)
            scores = task.score(scorer)
            row = {"minutes": minutes, "step": step, "hours_heard": heard_s / 3600, "loss": float(np.mean(losses))}
            row |= {"megabytes": quantizer.true_model_size()} if quantizer else {}
            append(args.out / "curve.csv", row | scores)
            losses, next_valid = [], minutes + args.valid_every
            task.refresh()
        if minutes >= next_save or done:
            next_save, elapsed = minutes + SAVE_EVERY, time.monotonic() - began
            state = {
                "model": model.state_dict(),
                "average": average.state,
                "muon": muon.state_dict(),
                "adamw": adamw.state_dict(),
            }
            told = {"network": args.network, "elapsed": elapsed, "step": step, "heard_s": heard_s, "scores": scores}
            save(args.out / "last.pt", state | told)


if __name__ == "__main__":
    main()
