"""From a config's nodes to objects: each node is held against the class that it names.

A stage's class is its own schema: its fields give the types, its `__post_init__` the ranges. Hydra
alone would let `postprocess.beta_wiener.beta=abc` through to the middle of a run.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator
from typing import Any

from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from speechclean.records.class_names import current, with_current

#: The only code that a config may name.
TRUSTED = ["speechclean.*"]
#: Groups of which a config names several, groups of which it names one, and groups of which it may
#: name one.
MANY, ONE, MAYBE = (
    ("separators", "postprocess", "metrics"),
    ("fusion", "enhancement", "dataset", "screening", "verdict", "guard", "tracking"),
    ("batch", "delivery"),
)


def objects(cfg: DictConfig) -> tuple[list[str], dict[str, Any]]:
    """Everything wrong in the nodes, and an object for each node that has nothing wrong."""
    problems: list[str] = []
    stages: dict[str, Any] = {}
    for key, node in _nodes(cfg):
        wrong = _check_node(key, node)
        if not wrong:
            try:
                # Resolved and by itself: of a node in its place Hydra copies the whole config
                # first.
                alone = OmegaConf.create(with_current(OmegaConf.to_container(node, resolve=True)))
                stages[key] = instantiate(alone, _convert_="all", _execution_whitelist_=TRUSTED)
            except Exception as error:
                wrong = [_range_error(key, node, error)]
        problems += wrong
    return problems, stages


def _nodes(cfg: DictConfig) -> Iterator[tuple[str, Any]]:
    """Every node that becomes an object, by its dotted key."""
    for group in ONE:
        yield group, cfg[group]
    for group in MAYBE:
        if cfg.get(group):
            yield group, cfg[group]
    for group in MANY:
        for name in cfg[group]:
            yield f"{group}.{name}", cfg[group][name]


def _check_node(key: str, node: Any) -> list[str]:
    """What is wrong with a node's keys and types, held against the fields of its class."""
    if not OmegaConf.is_dict(node) or not isinstance(node.get("_target_"), str):
        return [
            f"{key}: is not a choice of this group; see conf/{key.split('.')[0]}/ for those there are"
        ]
    if not node._target_.startswith("speechclean."):
        return [f"{key}._target_={node._target_}: only classes of speechclean may be named"]
    try:
        cls = get_class(current(node._target_))
        schema = OmegaConf.structured(cls)
    except Exception as error:
        return [f"{key}._target_={node._target_}: cannot be used ({error})"]
    names = [item.name for item in dataclasses.fields(cls) if item.init]
    required = {
        item.name
        for item in dataclasses.fields(cls)
        if item.default is item.default_factory is dataclasses.MISSING
    }
    wrong = [
        f"{key}.{name} is missing; give it, e.g. {key}.{name}=..."
        for name in sorted(required - set(node))
    ]
    for name in node:
        if name == "_target_":
            continue
        if name not in names:
            close = difflib.get_close_matches(str(name), names, 1)
            hint = (
                f"did you mean {key}.{close[0]}?" if close else f"the keys are {', '.join(names)}"
            )
            wrong.append(f"{key}.{name}: there is no such key; {hint}")
        elif OmegaConf.is_missing(node, name):
            wrong.append(f"{key}.{name} is missing; give it, e.g. {key}.{name}=...")
        else:
            wrong += _wrong_type(key, name, node, schema)
    return wrong


def _wrong_type(key: str, name: str, node: Any, schema: Any) -> list[str]:
    try:
        OmegaConf.merge(schema, {name: node[name]})
    except OmegaConfBaseException as error:
        return [f"{key}.{name}={node[name]}: {str(error).splitlines()[0]}"]
    return []


def _range_error(key: str, node: Any, error: BaseException) -> str:
    """What `__post_init__` raised, `field=value ...`, under the key that the user would set: the
    root's, if the field only refers to it.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ValueError):  # hydra wraps it
        cause = cause.__cause__
    if cause is None:
        return f"{key}: {error}"
    field = str(cause).partition("=")[0].partition(" ")[0].partition(".")[0]
    value = node._get_node(field) if field in node else None
    own_key = str(cause).startswith(f"{key}.") or (value is not None and value._is_interpolation())
    return str(cause) if own_key else f"{key}.{cause}"
