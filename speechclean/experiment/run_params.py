"""The values of a config that runs are compared by in the tracking store."""

from __future__ import annotations

from omegaconf import DictConfig

from speechclean.experiment.config.instantiate import MANY, ONE

#: Knobs that all stages share.
ROOT = ("shifts", "overlap", "seed", "device", "batch_size", "precision")
#: Keys that differ between the stages of one run only by interpolation from the root, where they
#: are recorded once.
SHARED = ("_target_", *ROOT, "eps", "uri")


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
