"""What of a config has to do with the sound, for whoever cleans without a run around it.

`Cleaner`, and with it `speechclean clean` and `speechclean ui`, measures and records nothing. What
is typed for the rest of a run is refused there: ignored, it would promise what nobody does.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from .old_names import in_overrides

#: What is left of a run's config: no metrics, no record.
SOUND_ALONE = ("metrics=[]", "tracking=none", "batch=none", "cache.enabled=false")
#: Roots of keys that are a run's, and why they are nobody else's.
_OF_A_RUN = {
    "dataset": "files are named one by one here",
    "metrics": "only a run measures",
    "verdict": "only a run measures",
    "tracking": "only a run is recorded",
    "name": "only a run is recorded",
    "output": "where a sound goes is said beside it, and nothing else is written",
    "batch": "files go one after another here",
    "delivery": "nothing is packed here",
    "hydra": "Hydra runs runs alone",
}
#: Values that say of a group what holds here anyway.
_NOTHING = ("", "[]", "none", "null")
#: The sections of a config that neither selects nor guards.
NO_JUDGING: Mapping[str, Any] = {
    "selection": {},
    "guard": {"_target_": "speechclean.stages.guard.NoGuard"},
}
_RUN = "speechclean dataset=folder dataset.pattern=..."


def refused(overrides: Sequence[str]) -> list[str]:
    """What of a command line or of keywords would do nothing, each with what to type instead.

    >>> refused(["overlap=0.5", "tracking=none", "metrics=[]"])
    []
    >>> refused(["verdict.music_db=1"])[0][:49]
    'verdict.music_db=1: only a run measures; leave it'
    """
    return [problem for one in in_overrides(overrides) if (problem := _problem(one))]


def _problem(override: str) -> str:
    key, _, value = override.partition("=")
    found = re.match(r"[~+]*(\w+)", key)
    root = found[1] if found else ""
    shown = shlex.quote(override)
    if root == "experiment":
        return f"{override}: a recipe is the preset here: --preset NAME, or Cleaner(NAME)"
    if value.strip() in _NOTHING and key == root:
        return ""
    if root == "sweep":
        search = f"speechclean -m {shown}"
        return f"{override}: nothing is searched here; leave it out, or search: {search}"
    if root not in _OF_A_RUN:
        return ""
    run = f"{_RUN} {'' if root in ('dataset', 'batch') else shown}".rstrip()
    run += {"batch": " batch=local", "delivery": " batch=local"}.get(root, "")
    return f"{override}: {_OF_A_RUN[root]}; leave it out, or run: {run}"


def judging(cfg: DictConfig) -> list[str]:
    """What a config judges by metrics, each with what to do about it: [] if nothing.

    Both would change the sound, and a preset may have them.
    """
    said = {
        "selection": bool(cfg.get("selection")),
        "guard": not str(cfg.guard.get("_target_", ".NoGuard")).endswith(".NoGuard"),
    }
    return [
        f"{group}: judges by metrics, and only a run measures; "
        f"take {group}=none here, or run: {_RUN}"
        for group, has in said.items()
        if has
    ]


def without_judging(config: DictConfig) -> DictConfig:
    """A config that neither selects nor guards: what its networks and stages make of a sound."""
    plain: Any = OmegaConf.to_container(config, resolve=False)
    return OmegaConf.create(plain | NO_JUDGING)
