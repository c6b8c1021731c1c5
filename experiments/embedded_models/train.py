"""Train one of the networks: a Hydra app, recorded in MLflow.

Every key and its reason: conf/train.yaml.

python -m experiments.embedded_models.train network=htdemucs data.banks=/tmp/banks minutes=110
hydra.run.dir=/tmp/htdemucs
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from experiments.embedded_models.export import export_network
from experiments.embedded_models.settings import Settings
from experiments.embedded_models.training import train
from speechclean.cli.run import errors_as_exit_status
from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.config.instantiate import TRUSTED
from speechclean.records import provenance
from speechclean.system.resources import conf_dir

#: What a training takes of the runs' config groups: where it records, where its folder is, how it
#: logs, what launches a sweep. Not all of them: Hydra would take `batch=4` for a choice from the
#: runs' group of that name.
SHARED = ("tracking", "hydra")


def store_configs() -> None:
    """Let Hydra know the schema, and the shared groups beside the choices in conf/."""
    store = ConfigStore.instance()
    store.store(name="train_schema", node=Settings)
    root = Path(conf_dir())
    for path in (path for group in SHARED for path in root.joinpath(group).rglob("*.yaml")):
        first = path.read_text().partition("\n")[0]
        package = first.removeprefix("# @package ") if first.startswith("# @package ") else None
        store.store(
            path.stem, OmegaConf.load(path), path.parent.relative_to(root).as_posix(), package
        )


store_configs()


@hydra.main(config_path="conf", config_name="train", execution_whitelist=[*TRUSTED, "logging.*"])
def app(cfg: DictConfig) -> float:
    """One training; returns what an Optuna sweep would maximise.

    That is dB by the mask, or after the denoiser's gain.
    """
    out = Path(HydraConfig.get().runtime.output_dir)
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    tracker = instantiate(cfg.tracking)
    settings: Any = OmegaConf.to_object(cfg)
    if problems := settings.problems(out):
        raise ConfigError(problems)
    tracker.check()
    tracker.prepare()
    commit = (provenance.git_state() or {}).get("commit", "unknown")
    with tracker.run(f"train {settings.network}", {"git_commit": str(commit)}) as run:
        run.params({key: value for key, value in plain.items() if key != "tracking"})
        scores = train(settings, out, run)
        for name in ("curve.csv", ".hydra/config.yaml", ".hydra/overrides.yaml", "last.pt"):
            run.file(out / name)
        if settings.export.dir:
            written = export_network(
                out / "last.pt", Path(settings.export.dir), settings.export.name
            )
            run.file(written)
            print(f"{written}: {written.stat().st_size / 1e6:.2f} MB")
    return scores.get("mask_db", scores.get("after_db", 0.0))


def main() -> None:
    """One training, or with -m a sweep of them."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    with errors_as_exit_status():
        app()


if __name__ == "__main__":
    main()
