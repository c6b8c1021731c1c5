"""Functions that the yaml of a config may call, as `${batch_name:...}`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from speechclean.records.class_names import with_first
from speechclean.stages.datasets import aliases


def batch_name(dataset: Mapping[str, Any], number: int | None = None) -> str:
    """The name of a batch's folder: readable, and the same for the same choice of data.

    `number` is that of a job of a sweep; it tells apart what is no shard.

    >>> folder = "speechclean.stages.datasets.folder.Folder"
    >>> batch_name({"_target_": folder, "pattern": "my/tts/*.wav", "shard": None})
    'my_tts_.wav-59fdbb27'
    >>> batch_name({"_target_": "speechclean.stages.datasets.manifest.Pilot", "shard": "0/3"})
    'speechclean.datasets.manifest.Pilot-eec7beda-shard-0-of-3'
    """
    section = OmegaConf.create(dict(dataset)) if not isinstance(dataset, DictConfig) else dataset
    # A missing value is reported by `validate`.
    known = (key for key in section if not OmegaConf.is_missing(section, key))
    own = with_first({str(key): section[key] for key in known if section[key] is not None})
    shard = own.pop("shard", None)
    written = json.dumps(own, sort_keys=True, default=str)
    shown = aliases.safe(
        str(own.get("pattern") or own.get("path") or own.get("_target_")).replace("*", "")
    )[-40:].strip("._-")
    name = f"{shown}-{hashlib.sha256(written.encode()).hexdigest()[:8]}"
    if shard is not None:
        return f"{name}-shard-{str(shard).replace('/', '-of-')}"
    return name if number is None else f"{name}-{number}"


def length_step(device: str, on_cpu: float = 0.0) -> float:
    """The `length_step_s` that suits a device; a record has the number, whatever repeats it.

    >>> length_step("cpu"), length_step("cpu", 0.5)
    (0.0, 0.5)
    """
    from speechclean.stages.separators.schedule import CUDA_STEP_S  # late: it imports torch
    from speechclean.system.device import torch_device

    try:
        return CUDA_STEP_S if torch_device(device).type == "cuda" else on_cpu
    except ValueError:  # no device at all, as `validate` says
        return on_cpu


OmegaConf.register_resolver("length_step", length_step, replace=True)
OmegaConf.register_resolver("batch_name", batch_name, replace=True)
