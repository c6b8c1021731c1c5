"""Compose a config ahead of Hydra, so that what Hydra would refuse one at a time is said all at
once, in the user's words.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from .schema import ConfigError, build, conf_dir, unwritable


def composed(overrides: list[str], with_hydra: bool = False) -> DictConfig:
    """The config that Hydra would hand to a run, if asked with Hydra's own node. Raises what Hydra
    raises.
    """
    with _another_hydra(), initialize_config_dir(conf_dir()):
        return compose("config", overrides=overrides, return_hydra_config=with_hydra)


@contextmanager
def _another_hydra() -> Iterator[None]:
    """Hydra is one per process: inside a sweep its own is put aside for the length of the block."""
    mine = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().clear()
        GlobalHydra.instance().hydra = mine


def problems_of(arguments: list[str]) -> list[str]:
    """What is wrong with a command line, [] if Hydra can start it (or if it is a sweep, or asks for
    help).
    """
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    if len(overrides) != len(arguments):
        # Hydra's own flags: -m, --help, --cfg job, --info; each job of a sweep is checked when it
        # starts
        return []
    try:
        cfg = composed(overrides, with_hydra=True)
    except (HydraException, OmegaConfBaseException):
        return _one_by_one(overrides)
    if cfg.sweep:
        return ["sweep=… searches only with -m, e.g. python -m speechclean -m sweep=optuna"]
    # Hydra makes the folder before the run can say anything about it.
    return _one_by_one(overrides) if unwritable(Path(cfg.hydra.run.dir)) else []


def _one_by_one(overrides: list[str]) -> list[str]:
    """Try each override on top of those that work; then check what they compose to."""
    good: list[str] = []
    problems = []
    # Choices of groups first: a knob may belong to a choice that stands after it on the command
    # line.
    for override in sorted(overrides, key=lambda override: "." in override.partition("=")[0]):
        try:
            composed([*good, override])
            good.append(override)
        except (HydraException, OmegaConfBaseException) as error:
            problems.append(_in_plain_words(override, error, good))
    cfg = composed(good, with_hydra=True)
    cfg.output.dir = cfg.hydra.run.dir
    try:
        build(cfg)
    except ConfigError as error:
        problems += error.problems
    return problems


def _in_plain_words(override: str, error: Exception, good: list[str]) -> str:
    """Hydra's message in one line, with the nearest name that exists."""
    text = str(error)
    if choice := re.search(r"Could not (?:find|load) '([^']+)'", text):
        group, _, name = choice.group(1).rpartition("/")
        options = sorted(path.stem for path in Path(conf_dir(), group).glob("*.yaml"))
        return f"{override}: there is no {name!r} in {group}{_nearest(name, options)}; the choices are {', '.join(options)}"
    if key := re.search(r"Could not override '([^']+)'", text):
        return f"{override}: there is no key {key.group(1)!r}{_nearest(key.group(1), _dotted(composed(good)))}"
    return f"{override}: {str(error.__cause__ or error).strip().splitlines()[0]}"


def _nearest(name: str, options: list[str]) -> str:
    close = difflib.get_close_matches(name, options, 1)
    return f"; did you mean {close[0]}?" if close else ""


def _dotted(cfg: DictConfig, prefix: str = "") -> list[str]:
    """Every key of a config, groups and leaves."""
    keys: list[str] = []
    for name in map(str, cfg):
        keys.append(prefix + name)
        node = cfg._get_node(name)
        if isinstance(node, DictConfig) and not node._is_missing() and not node._is_interpolation():
            keys += _dotted(node, f"{prefix}{name}.")
    return keys
