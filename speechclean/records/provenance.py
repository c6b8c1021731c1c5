"""What a result was made from and with, so that others can tell whether it can come out the same.

`collect` describes the code, the environment, the machine, the inputs and the weights. `signature`
is a run's identity: two runs with one signature, on one class of machine, give the same samples.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from speechclean.networks.weights import sha256
from speechclean.records.class_names import with_first
from speechclean.system.atomic_files import sources_sha256
from speechclean.system.hardware import cpu_model, version
from speechclean.system.resources import PACKAGE

from .checkout import git_state, patch

__all__ = [
    "canonical",
    "code_sha256",
    "collect",
    "digest",
    "environment_file",
    "file_hash",
    "git_state",
    "patch",
    "signature",
]

#: Packages whose version can change a sample or a number.
STACK = (
    *(
        "av",  # with the FFmpeg in its wheel
        "ctranslate2",
        "demucs",
        "denoiser",
        "diffq",
        "faster-whisper",
        "hydra-core",
        "jiwer",
        "mlflow",
        "numpy",
        "omegaconf",
        "onnxruntime",
        "openai-whisper",
    ),
    *(
        "panns-inference",
        "pyloudnorm",
        "pystoi",
        "scipy",
        "silero-vad",
        "soundfile",
        "soxr",
    ),
    *("torch", "torchaudio"),
)

#: Keys of the config that cannot change a sample of the cleaned sound, as patterns of dotted paths;
#: here and below under their first names (`key_names`).
SILENT = (
    "hydra",
    "name",
    "output",
    "tracking",
    "batch",  # by whom and in which order
    "delivery",
    "dataset",  # it only says which files; what is in them counts by their hashes
    "batch_size",  # held by a test: batches give what single files give
    "batch_seconds",  # audio_in_memory_s today
    "stream_above_s",  # held by a test: streams give what memory gives
    "max_decoded_gb",  # which files are refused
    "separators.*.batch_size",
    "device",  # the same samples up to rounding; provenance names the machine
    "separators.*.device",
    "enhancement.device",
    "screening.device",
    "cache",  # held by a test: what is reused is what would have been computed
    "sweep",
    "guard.refuse_blind",  # whether a run begins at all
    "weights.dir",  # where they lie; what is in them counts by their hashes
    "separators.*.repo",
    "separators.*.path",
    "separators.*.config",
)
#: Of these only the last part of a path counts, for the same reason.
NAMES = ("separators.*.name", "enhancement.model", "metrics.*.model")
#: Keys that configs have had only since later, with the value that says what was done before: so
#: configs from before and after have one signature where they do the same.
LATER: Mapping[str, Any] = {
    "selection": {},
    "fusion.exponent": 2.0,
    "fusion.bands_hz": None,
    "edge_context_s": 0.0,
    "dc_offset_above": None,
    "separators.*.edge_context_s": 0.0,
    "separators.*.length_step_s": 0.0,
    "enhancement.edge_context_s": 0.0,
    "postprocess.loudness.ceiling_always": False,
}
#: Stages that came later, with the knob and its value with which they change nothing.
IDLE: Mapping[str, tuple[str, Any]] = {
    "postprocess.floor": ("floor_db", None),
    "postprocess.edges": ("rise_db", None),
}
#: Silent too where nothing acts on them: a selection and a guard hear metrics, and decide what is
#: written.
LISTENING = ("metrics", "verdict")

#: Mappings whose order is an order of work: [beta_wiener, loudness] is not [loudness, beta_wiener].
ORDERED = ("separators", "postprocess")


def collect(inputs: Mapping[str, Path], weights: Mapping[str, Path], seed: int) -> dict[str, Any]:
    """Everything a result depends on, ready for JSON.

    Never fails: what cannot be found out is None.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "code": {"version": version("speechclean"), "sha256": code_sha256(), "git": git_state()},
        "packages": {name: version(name) for name in STACK},
        "working_folder": str(Path.cwd()),  # what relative paths in the config start from
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": {
            "model": cpu_model(),
            # The instruction set decides how sums are rounded.
            "capability": torch.backends.cpu.get_cpu_capability(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),  # sums in another order round otherwise
        },
        "cuda": _cuda(),
        "inputs": {
            alias: {"path": str(path), "sha256": file_hash(path)} for alias, path in inputs.items()
        },
        "weights": {
            name: {"path": str(path), "sha256": file_hash(path)} for name, path in weights.items()
        },
    }


def signature(
    config: Mapping[str, Any], inputs: Mapping[str, Path], weights: Mapping[str, Path]
) -> str:
    """The identity of a run: a sha256 in hex.

    It is taken over the resolved config less its `SILENT` keys, and the contents of inputs and
    weights. Neither the names nor the order of the inputs count, since neither changes what becomes
    of each of them.
    """
    identity = {
        "config": canonical(config),
        "inputs": sorted(str(file_hash(path)) for path in inputs.values()),
        "weights": {name: file_hash(path) for name, path in weights.items()},
    }
    written = json.dumps(
        identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
    )
    return hashlib.sha256(written.encode(errors="surrogatepass")).hexdigest()


@cache
def environment_file() -> str:
    """Every installed distribution as `name==version`: a requirements file of this environment."""
    found = {
        dist.metadata["Name"]: dist.version
        for dist in metadata.distributions()
        if dist.metadata["Name"]
    }
    found.pop("speechclean", None)  # it is the code itself
    lines = [
        f"{name}=={version}"
        for name, version in sorted(found.items(), key=lambda item: item[0].lower())
    ]
    return "\n".join([f"# Python {platform.python_version()}", *lines]) + "\n"


def canonical(config: Mapping[str, Any]) -> Any:
    """A config without its silent keys, every class and key under its first name.

    Left out too is what configs of earlier code have not, where it changes nothing (`LATER`,
    `IDLE`). Where order matters, it has pairs instead of keys, which JSON would sort.
    """
    config = with_first(config)
    guarded = not str((config.get("guard") or {}).get("_target_", "NoGuard")).endswith("NoGuard")
    acts = guarded or bool(config.get("selection"))
    return _less(config, SILENT if acts else (*SILENT, *LISTENING))


def _less(config: Mapping[str, Any], silent: Sequence[str], path: str = "") -> Any:
    kept = {}
    for name, value in config.items():
        key = f"{path}{name}"
        if any(fnmatchcase(key, later) and value == then for later, then in LATER.items()):
            continue
        if key in IDLE and isinstance(value, Mapping):
            knob, at_rest = IDLE[key]
            if value.get(knob) == at_rest:
                continue
        if isinstance(value, str) and any(fnmatchcase(key, pattern) for pattern in NAMES):
            value = Path(value).name
        if not any(fnmatchcase(key, pattern) for pattern in silent):
            kept[str(name)] = (
                _less(value, silent, f"{key}.") if isinstance(value, Mapping) else value
            )
    return list(kept.items()) if path.rstrip(".") in ORDERED else kept


def digest(hashes: Sequence[str]) -> str:
    """One sha256 over hashes, whatever their order."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


def file_hash(path: Path) -> str | None:
    """sha256 of a file in hex; None if it cannot be read, or is a pipe that would be waited for."""
    try:
        return sha256(Path(path)) if Path(path).is_file() else None
    except OSError:
        return None  # a file that cannot be read has its own line among the failures


def code_sha256(package: Path | None = None) -> str:
    """One hash over a package's sources (this one's), to tell versions apart without git."""
    package = package or PACKAGE
    return sources_sha256(package, package.rglob("*.py"))


def _cuda() -> dict[str, Any] | None:
    if not torch.cuda.is_available():
        return None
    devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"devices": devices, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
