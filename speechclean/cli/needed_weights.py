"""Which published weights a config needs."""

from __future__ import annotations

from pathlib import Path

from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import search_path
from speechclean.networks.weights.missing import MissingWeights
from speechclean.networks.weights.registry import models


def needed_models(experiment: str | None) -> list[str]:
    """Names of the published models that a recipe needs, or the default config.

    Metrics whose packages are not installed need none.

    Raises `ValueError` if there is no such recipe.
    """
    from hydra.errors import HydraException

    from speechclean.experiment.config.compose import composed
    from speechclean.experiment.config.instantiate import instantiate_components
    from speechclean.experiment.config.packages import absent_of

    try:
        problems, stages = instantiate_components(
            composed([f"experiment={experiment}"] if experiment else [])
        )
    except HydraException as error:
        raise ValueError(f"--experiment {experiment}: {str(error).splitlines()[0]}") from error
    if problems:
        raise ValueError("\n".join(problems))
    names: list[str] = []
    present: set[Path | None] = set()
    for key, stage in stages.items():
        if key.startswith("metrics.") and absent_of(stage):
            continue
        try:
            present |= (
                set(stage.weight_files().values()) if hasattr(stage, "weight_files") else set()
            )
        except MissingWeights as error:
            names += error.models
        except CheckpointError as error:
            raise ValueError(str(error)) from error
    return names + [
        name
        for name, model in models().items()
        if {search_path.locate(file) for file in model.files} <= present
    ]
