"""Lower precision on a GPU, where it is close enough.

`fp32`, `tf32` (how its tensor cores read fp32) or `fp16` operands. A CPU computes in fp32 whatever
is asked for: half precision is slower there. What is lost is measured on a fixed sound when a
network is loaded; one that loses more than the gate allows computes in fp32, with a warning.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import torch
from torch import Tensor

log = logging.getLogger(__name__)
_switches = RLock()

PRECISIONS = ("fp32", "tf32", "fp16")
#: What a network's answer must keep over the difference to its fp32 answer: far below anything that
#: a mask leaves.
GATE_DB = 50.0


@contextmanager
def computing(precision: str, device_type: str) -> Iterator[None]:
    """Within it torch computes as `precision` says.

    Its own default would be TF32 in convolutions and fp32 in products. The switches belong to the
    process, so one block waits for another in a different thread, and what the host chose comes
    back.
    """
    with _switches, _switched(precision, device_type):
        yield


@contextmanager
def _switched(precision: str, device_type: str) -> Iterator[None]:
    matrices, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest" if precision == "fp32" else "high")
    torch.backends.cudnn.allow_tf32 = precision != "fp32"
    try:
        with torch.autocast(device_type, torch.float16, enabled=precision == "fp16"):
            yield
    finally:
        torch.set_float32_matmul_precision(matrices)
        torch.backends.cudnn.allow_tf32 = convolutions


def answer(module: Any, heard: Tensor, precision: str) -> Tensor:
    """The module's answer to `heard` `[batch, channels, samples]`, as float32."""
    if heard.device.type == "cpu":
        return module(heard)
    with computing(precision, heard.device.type):
        return module(heard).float()


def admitted(module: Any, precision: str, samples: int, gate_db: float = GATE_DB) -> str:
    """`precision` if the module's answer keeps `gate_db` with it, else `fp32`, with a warning.

    The answer is that to a fixed sound of `samples`.
    """
    device = next(module.parameters()).device
    if precision == "fp32" or device.type == "cpu":
        return "fp32"
    kept_db = agreement_db(module, precision, samples)
    if kept_db >= gate_db:
        return precision
    log.warning(
        "precision=%s keeps %.0f dB of %s's answer, less than the %.0f dB asked for: "
        "it computes in fp32",
        precision, kept_db, type(module).__name__, gate_db,
    )  # fmt: skip
    return "fp32"


@torch.inference_mode()
def agreement_db(module: Any, precision: str, samples: int) -> float:
    """How well `precision` keeps the module's fp32 answer to a fixed noise, in dB.

    That is the power of the answer over the power of the difference.
    """
    device = next(module.parameters()).device
    generator = torch.Generator().manual_seed(0)
    heard = torch.randn(1, module.audio_channels, samples, generator=generator).to(device)
    answers = []
    for one in ("fp32", precision):
        with computing(one, device.type):
            answers.append(module(heard))
    return snr_db(*answers)


def snr_db(signal: Tensor, other: Tensor) -> float:
    """Power of a signal over the power of the difference to another, in dB.

    It is inf where there is no difference, and -inf where the other is not finite.
    """
    lost = (other.double() - signal.double()).square().sum().item()
    if not math.isfinite(lost):
        return -math.inf
    return 10 * math.log10(signal.double().square().sum().item() / lost) if lost else math.inf
