"""A recorded run's config, as far as it is trusted: its keys, its classes, plain values.

A config that comes from a store was written by whoever can write there. It may say what a run's
config says, and nothing that Hydra or OmegaConf would do: no other class than those of conf/, no
interpolation, no section of Hydra's own.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from speechclean.records import kept_files
from speechclean.records.key_names import with_current_keys
from speechclean.records.run_folder import CONFIG
from speechclean.records.tracking import Record
from speechclean.records.tracking.address import RecordError
from speechclean.system.plain_text import one_line

from .choices import LIST_GROUPS, OPTIONAL_GROUPS, SINGLE_GROUPS, may_name
from .schema import Config

#: Sections that the config of every run has, as mappings.
ALWAYS = ("dataset", "separators", "fusion", "enhancement", "postprocess", "metrics", "output")
#: Of a hostile config, so many problems are told.
TOLD = 10
#: What a key is made of; dots are in the keys of a sweep's space alone.
_KEY, _DOTTED = re.compile(r"[^\W_][\w-]*|_target_"), re.compile(r"[^\W_][\w.-]*")


def recorded_config(record: Record) -> dict[str, Any]:
    """The config of a run, with today's keys.

    Raises `RecordError` with what in it no run of speechclean writes.
    """
    config: dict[str, Any] = with_current_keys(kept_files.config(record))
    problems = list(_problems(config))
    if problems:
        more = f"\n- and {len(problems) - TOLD} more" if len(problems) > TOLD else ""
        raise RecordError(
            f"{record.name} ({record.id}): its {CONFIG} says what no run of speechclean says; "
            "somebody else wrote it. Nothing was done:\n"
            + "\n".join(f"- {one_line(each)}" for each in problems[:TOLD])
            + more
        )
    return config


def _problems(config: Mapping[str, Any]) -> Iterator[str]:
    """What of a config cannot be trusted, in words."""
    known = {field.name for field in dataclasses.fields(Config)}
    yield from (f"{key}: there is no such key" for key in config if key not in known)
    for group in (*SINGLE_GROUPS, *OPTIONAL_GROUPS):
        if config.get(group):  # sections that later code has got are missing in earlier runs
            yield from _section_problems(group, group, config[group])
    for group in LIST_GROUPS:
        sections = config.get(group)
        for name, section in sections.items() if isinstance(sections, Mapping) else ():
            yield from _section_problems(group, f"{group}.{name}", section)
    yield from (f"{key}: is missing" for key in ALWAYS if not isinstance(config.get(key), Mapping))
    yield from _value_problems(config, ())
    try:
        own = {key: value for key, value in config.items() if key in known}
        OmegaConf.merge(OmegaConf.structured(Config), own)
    # A list where a mapping belongs is a TypeError to OmegaConf.
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        yield str(error).splitlines()[0]


def _section_problems(group: str, key: str, section: Any) -> Iterator[str]:
    if not isinstance(section, Mapping):
        yield f"{key}: should be a mapping"
    elif not may_name(group, section.get("_target_")):
        yield f"{key}._target_={section.get('_target_')}: no choice of conf/{group}/ names it"


def _value_problems(node: Any, at: tuple[str, ...]) -> Iterator[str]:
    """Keys and values, at any depth, that would be more than they are to whoever reads them."""
    where = ".".join(at)
    if isinstance(node, Mapping):
        for key, value in node.items():
            here = (*at, str(key))
            depth = 2 if at and at[0] in LIST_GROUPS else 1
            form = _DOTTED if at and at[0] == "sweep" else _KEY
            if not form.fullmatch(str(key)):
                yield f"{'.'.join(here)}: no run has a key of this form"
            elif key == "_target_" and len(at) != depth:
                yield f"{'.'.join(here)}: no class is named here"
            yield from _value_problems(value, here)
    elif isinstance(node, list):
        for index, one in enumerate(node):
            yield from _value_problems(one, (*at, str(index)))
    elif isinstance(node, str) and ("${" in node or node == "???"):
        yield f"{where}: {node!r} is no plain value; what a run records is resolved"
