"""The values of a config that runs are compared by in the tracking store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from speechclean.experiment.config.instantiate import MANY, ONE

#: Knobs that all stages share.
ROOT = ("shifts", "overlap", "seed", "device", "batch_size", "precision")
#: Keys that differ between the stages of one run only by interpolation from the root, where they
#: are recorded once.
SHARED = ("_target_", *ROOT, "eps", "uri")


def pipeline_in_words(config: Mapping[str, Any]) -> str:
    """The stages of a config in their order.

    >>> stage = {"_target_": "speechclean.stages.fusion.mean_mask.MeanMask"}
    >>> pipeline_in_words({"separators": {"a": {}, "b": {}}, "fusion": stage,
    ...     "enhancement": {"_target_": "x.identity.Identity"}, "postprocess": {"loudness": {}}})
    'a + b, mean_mask, identity, loudness'
    """
    fusion, enhancement = (
        str(config[group]["_target_"]).split(".")[-2] for group in ("fusion", "enhancement")
    )
    return ", ".join(
        [" + ".join(config["separators"]), fusion, enhancement, *config["postprocess"]]
    )


def run_params(cfg: DictConfig, files: int) -> dict[str, object]:
    """Some thirty values by name, `files` among them; the whole config is an artifact."""
    params: dict[str, object] = {key: cfg[key] for key in ROOT}
    params["files"] = files
    for group in ONE:
        if group == "verdict":  # a dozen thresholds, which only the whole config holds
            continue
        params[group] = cfg[group]["_target_"].rsplit(".", 1)[1]
        params |= {
            f"{group}.{key}": value for key, value in cfg[group].items() if key not in SHARED
        }
    for group in MANY:
        params[group] = ", ".join(cfg[group])
    for group in ("separators", "postprocess"):
        for name, node in cfg[group].items():
            params |= {
                f"{group}.{name}.{key}": value
                for key, value in node.items()
                if key not in (*SHARED, "name")
            }
    return params
