"""From the sections of a config to objects, each section held against the class that it names.

A class is the schema of its section: its fields give the types, its `__post_init__` the ranges.
Hydra alone would let `postprocess.beta_wiener.beta=abc` through to the middle of a run, and would
call whatever a `_target_` inside of a section names: here a class gets plain values.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterator
from typing import Any

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from speechclean.records.class_names import current
from speechclean.records.tracking.labels import flat
from speechclean.system.plain_text import one_line

from .choices import LIST_GROUPS, OPTIONAL_GROUPS, SINGLE_GROUPS, may_name
from .old_names import todays

#: The code that Hydra may run for programs of one's own on top of this package.
TRUSTED = ["speechclean.*"]
#: Former names, which other rooms still use.
MANY, ONE = LIST_GROUPS, SINGLE_GROUPS


def instantiate_components(cfg: DictConfig) -> tuple[list[str], dict[str, Any]]:
    """Everything that is wrong in the sections of a config, and an object for each of the others.

    The objects are named by the dotted keys of their sections, `separators.htdemucs_ft`.
    """
    problems: list[str] = []
    components: dict[str, Any] = {}
    for key, section in _sections(todays(cfg)):
        wrong = _check_section(key, section)
        if not wrong:
            try:
                values: Any = OmegaConf.to_container(section, resolve=True)
                components[key] = get_class(current(values.pop("_target_")))(**values)
            except Exception as error:  # noqa: BLE001 - a class raises what it likes
                wrong = [_range_error(key, section, error)]
        problems += wrong
    return problems, components


#: Its former name, which other rooms still use.
objects = instantiate_components


def _sections(cfg: DictConfig) -> Iterator[tuple[str, Any]]:
    """Every section that becomes an object, with its dotted key."""
    for group in SINGLE_GROUPS:
        yield group, cfg[group]
    for group in OPTIONAL_GROUPS:
        if cfg.get(group):
            yield group, cfg[group]
    for group in LIST_GROUPS:
        for name in cfg[group]:
            yield f"{group}.{name}", cfg[group][name]


def _check_section(key: str, section: Any) -> list[str]:
    """What is wrong with the keys and types of a section, held against the fields of its class."""
    group = key.split(".")[0]
    if not OmegaConf.is_dict(section) or not isinstance(section.get("_target_"), str):
        return [f"{key}: is not a choice of this group; see conf/{group}/ for those there are"]
    target = section._target_
    if not may_name(group, target):
        return [
            f"{key}._target_={one_line(target)}: only classes that the files of conf/{group}/ name "
            "may be named; one of your own needs a yaml there"
        ]
    try:
        cls = get_class(current(target))
        schema = OmegaConf.structured(cls)
    except Exception as error:  # noqa: BLE001 - importing a module raises what it likes
        return [f"{key}._target_={target}: cannot be used ({error})"]
    fields = [field for field in dataclasses.fields(cls) if field.init]
    wrong = _absent(key, section, fields) + _nested_targets(key, section)
    for name in section:
        if name != "_target_":
            wrong += _check_value(key, str(name), section, schema, [one.name for one in fields])
    return wrong


def _nested_targets(key: str, section: Any) -> list[str]:
    """What inside of a section, below its top, would tell Hydra to call something."""
    plain: Any = OmegaConf.to_container(section, resolve=False)
    plain.pop("_target_")
    return [
        f"{key}.{one_line(name)}: a section names one class, and none inside of it"
        for name in flat(plain)
        if re.search(r"(^|\.)_\w+_($|\.)", name)
    ]


def _absent(key: str, section: Any, fields: list[dataclasses.Field[Any]]) -> list[str]:
    """Fields without a default that a section does not have."""
    required = {
        field.name
        for field in fields
        if field.default is field.default_factory is dataclasses.MISSING
    }
    return [_missing(key, name) for name in sorted(required - set(section))]


def _check_value(key: str, name: str, section: Any, schema: Any, names: list[str]) -> list[str]:
    """What is wrong with one value of a section."""
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {key}.{close[0]}?" if close else f"the keys are {', '.join(names)}"
        return [f"{key}.{name}: there is no such key; {hint}"]
    if OmegaConf.is_missing(section, name):
        return [_missing(key, name)]
    try:
        OmegaConf.merge(schema, {name: section[name]})
    except OmegaConfBaseException as error:
        return [f"{key}.{name}={section[name]}: {str(error).splitlines()[0]}"]
    return []


def _missing(key: str, name: str) -> str:
    return f"{key}.{name} is missing; give it, e.g. {key}.{name}=..."


def _range_error(key: str, section: Any, error: BaseException) -> str:
    """What `__post_init__` raised, `field=value ...`, under the key that the user would set.

    That is a key of the root, if the field only refers to it.
    """
    if not isinstance(error, ValueError):
        return f"{key}: {error}"
    field = str(error).partition("=")[0].partition(" ")[0].partition(".")[0]
    written: Any = OmegaConf.to_container(section, resolve=False)
    # What comes from a variable of the environment (`${oc.env:…}`) is no key of the root.
    refers = field in section and OmegaConf.is_interpolation(section, field)
    refers = refers and ":" not in written[field]
    return str(error) if refers or str(error).startswith(f"{key}.") else f"{key}.{error}"
