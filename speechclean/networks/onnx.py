"""Networks that are published as ONNX graphs, run by ONNX Runtime.

A graph is data: of a file that is none, nothing is run.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .checkpoints import CheckpointError


@dataclass(frozen=True)
class Graph:
    """A graph ready to run; threads may share it."""

    inner: Any

    def answer(self, *inputs: Tensor) -> Tensor:
        """Its first output, on the CPU, for tensors in the order of its inputs."""
        names = [one.name for one in self.inner.get_inputs()]
        arrays = [one.detach().cpu().contiguous().numpy() for one in inputs]
        outputs = self.inner.run(None, dict(zip(names, arrays, strict=True)))
        return torch.from_numpy(outputs[0])


@functools.cache
def session(path: Path, device: str) -> Graph:
    """The graph of a file, loaded once for each device.

    On a CPU it computes in the thread that asks, so that the caller decides how many cores are at
    work. On a GPU too, where the installed ONNX Runtime has no support for CUDA.

    Raises `CheckpointError`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    providers: list[Any] = ["CPUExecutionProvider"]
    chosen = torch.device(device)
    if chosen.type == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": chosen.index or 0}))
    try:
        return Graph(onnxruntime.InferenceSession(str(path), options, providers=providers))
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{path}: not a graph that ONNX Runtime can run ({reason})"
        ) from error
