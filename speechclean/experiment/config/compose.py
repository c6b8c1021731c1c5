"""A config as Hydra would compose it, without starting Hydra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from speechclean.system.resources import conf_dir

# Both register themselves: the root of the config, and the functions that the yaml calls.
from . import resolvers, schema  # noqa: F401
from .config_files import old_names_in_files
from .old_names import in_overrides


def composed(overrides: list[str], with_hydra: bool = False) -> DictConfig:
    """The config that Hydra would give to a run, if asked with Hydra's own section.

    Former names are understood, and told. Raises what Hydra raises.
    """
    overrides = in_overrides(overrides)
    with _another_hydra(), initialize_config_dir(str(conf_dir())):
        return compose("config", overrides=overrides, return_hydra_config=with_hydra)


def choice(group: str, name: str) -> dict[str, Any]:
    """What a file of a group says, with the files that it builds on; interpolations as written."""
    with _another_hydra(), initialize_config_dir(str(conf_dir())):
        cfg = compose(f"{group}/{name}")
    found: Any = OmegaConf.to_container(cfg, resolve=False)
    return found.get(group) or {}


@contextmanager
def _another_hydra() -> Iterator[None]:
    """Hydra is one per process: inside a sweep its own is put aside for the length of the block."""
    mine = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with old_names_in_files():
            yield
    finally:
        GlobalHydra.instance().clear()
        GlobalHydra.instance().hydra = mine
