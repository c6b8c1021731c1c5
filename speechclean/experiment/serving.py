"""A run's pipeline packed to travel and to be served.

A sound file in base64 is answered with the wav that the run would write.
"""

from __future__ import annotations

import base64
import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from speechclean.audio.waveform import AudioError
from speechclean.experiment.config.schema import Config, bare
from speechclean.experiment.config.sound_alone import NO_JUDGING
from speechclean.networks.weights import EMBEDDED
from speechclean.records.class_names import with_current
from speechclean.records.run_folder import CONFIG
from speechclean.records.tracking import Run
from speechclean.records.tracking.model import saved_model
from speechclean.system.paths import expanded
from speechclean.system.secrets import masked_values

from .cleaner import Cleaner

log = logging.getLogger(__name__)

#: Stands in a portable config for the folder that its weights travel in.
WEIGHTS = "@weights@"


def unpacked(folder: Path) -> Cleaner:
    """The pipeline in a folder that `pack` filled.

    Raises `ConfigError` if anything is missing in the folder.
    """
    weights = folder / "weights"
    config = _placed(yaml.safe_load((folder / CONFIG).read_text()), str(weights))
    config = with_current(config) | NO_JUDGING  # packed by whatever version
    if weights.is_dir():
        config["weights"] = {"dir": str(weights)}
    cfg = OmegaConf.merge(OmegaConf.structured(Config), config)
    return Cleaner.of(cfg)  # type: ignore[arg-type]


def answer(cleaner: Cleaner, text: object) -> dict[str, str | None]:
    """What a served model answers to a sound in base64: the `wav` in base64, or the `error`.

    A sound that cannot be cleaned costs its own answer, whatever went wrong with it.
    """
    try:
        sound = base64.b64decode(text, validate=True)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return {"wav": None, "error": "wav is not a sound in base64"}
    try:
        return {"wav": base64.b64encode(cleaner.clean_bytes(sound)).decode()}
    except AudioError as error:
        return {"wav": None, "error": str(error)}
    except Exception as error:
        log.exception("a sound of %d bytes could not be cleaned", len(sound))
        kind = type(error).__name__
        return {"wav": None, "error": f"it could not be cleaned ({kind}); see the server's log"}


def pack(config: Mapping[str, Any], weights: Mapping[str, Path], folder: Path) -> None:
    """Fill a folder that can travel with a run's resolved config and its weights.

    Weights that ship with the package are left out.
    """
    left_out = ("output", "sweep")
    kept = {key: value for key, value in bare(config).items() if key not in left_out}
    # A model measures nothing, so that it neither selects nor guards.
    own = masked_values(kept) | {"metrics": {}, "device": "auto"} | dict(NO_JUDGING)
    own["separators"] = {
        name: _portable(node, folder) for name, node in config["separators"].items()
    }
    for group in ("enhancement", "screening"):
        own[group] = _portable(config[group], folder)
    for path in weights.values():
        if not path.is_relative_to(EMBEDDED):
            _copy(path, folder)
    (folder / CONFIG).write_text(
        yaml.safe_dump(own, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )


def log_model(run: Run, config: Mapping[str, Any], weights: Mapping[str, Path]) -> None:
    """Record the pipeline as a model that can be served, in the folder `model` of the run."""
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch) / "pipeline"
        packed.mkdir()
        pack(config, weights, packed)
        with saved_model(packed) as model:
            run.folder(model, "model")


def _portable(node: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A stage's node for any machine: device open, files and folders those that travel along."""
    made = dict(node) | ({"device": "auto"} if "device" in node else {})
    # For a folder of networks, the yaml that defines them has to lie beside their files.
    for key in ("repo", "path"):
        if node.get(key) not in (None, "embedded"):
            definition = expanded(str(node[key])) / f"{node['name']}.yaml"
            if definition.is_file():
                _copy(definition, folder)
            made[key] = WEIGHTS
    for key in ("model", "name", "config"):
        if node.get(key) and (path := expanded(str(node[key]))).is_file():
            _copy(path, folder)
            made[key] = f"{WEIGHTS}/{path.name}"
    return made


def _placed(node: Any, weights: str) -> Any:
    """A packed config, or a part of it, with the folder that its weights are in now."""
    if isinstance(node, dict):
        return {key: _placed(value, weights) for key, value in node.items()}
    return node.replace(WEIGHTS, weights) if isinstance(node, str) else node


def _copy(path: Path, folder: Path) -> None:
    (folder / "weights").mkdir(exist_ok=True)
    shutil.copyfile(path, folder / "weights" / path.name)
