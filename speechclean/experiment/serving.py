"""A run's pipeline on its own: the bytes of a sound file in, the bytes of the cleaned wav out.

They are the bytes that the run would write.
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

from speechclean.audio.sound_files import save
from speechclean.audio.waveform import AudioError
from speechclean.experiment.config.schema import Config, bare
from speechclean.experiment.config.validate import validate
from speechclean.networks.weights import EMBEDDED
from speechclean.records.run_folder import CONFIG
from speechclean.records.tracking import Run
from speechclean.records.tracking.model import saved_model
from speechclean.stages.types import Track
from speechclean.system.paths import expanded
from speechclean.system.secrets import masked_values

from .clean import Batching, clean
from .load_networks import load
from .outputs import save_streamed

log = logging.getLogger(__name__)

#: Stands in a portable config for the folder that its weights travel in.
WEIGHTS = "@weights@"


class Cleaner:
    """A pipeline made from a folder that `pack` filled.

    Raises `ConfigError` if anything is missing in the folder.
    """

    def __init__(self, folder: Path) -> None:
        weights = folder / "weights"
        config = _placed(yaml.safe_load((folder / CONFIG).read_text()), str(weights))
        if weights.is_dir():
            config["weights"] = {"dir": str(weights)}
        cfg = OmegaConf.merge(OmegaConf.structured(Config), config)
        with tempfile.TemporaryDirectory() as scratch:
            cfg.output.dir = scratch
            experiment = validate(cfg)  # type: ignore[arg-type]
        load(experiment)
        self._pipeline = experiment.pipeline
        self._limits = (float(cfg.batch_seconds), float(cfg.stream_above_s))
        self._max_decoded_gb = cfg.max_decoded_gb

    def __call__(self, sound: bytes) -> bytes:
        """Clean one file (wav, flac, mp3, m4a …). Raises `AudioError` if it cannot be cleaned."""
        with tempfile.TemporaryDirectory() as scratch:
            path, cleaned = Path(scratch) / "input", Path(scratch) / "cleaned.wav"
            path.write_bytes(sound)
            batching = Batching(
                1, *self._limits, Path(scratch), max_decoded_gb=self._max_decoded_gb
            )
            for outcome in clean([Track("input", path)], self._pipeline, batching):
                if outcome.separation is not None:
                    save(outcome.separation.speech, cleaned, outcome.subtype)
                elif outcome.long is not None:
                    save_streamed(outcome, cleaned)
                else:
                    # Where it lies here is nobody's concern who asks from elsewhere.
                    reason = outcome.reason.replace(str(path), "the sound")
                    raise AudioError(reason.replace(scratch, "a temporary folder"))
            return cleaned.read_bytes()

    def answer(self, text: object) -> dict[str, str | None]:
        """What a served model answers to a sound in base64: the `wav` in base64, or the `error`.

        A sound that cannot be cleaned costs its own answer, whatever went wrong with it.
        """
        try:
            sound = base64.b64decode(text, validate=True)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return {"wav": None, "error": "wav is not a sound in base64"}
        try:
            return {"wav": base64.b64encode(self(sound)).decode()}
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
    kept = {key: value for key, value in bare(config).items() if key not in ("output", "sweep")}
    own = masked_values(kept) | {"metrics": {}, "device": "auto"}
    own["separators"] = {
        name: _portable(node, folder) for name, node in config["separators"].items()
    }
    own["enhancement"] = _portable(config["enhancement"], folder)
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
