"""Former names of keys and choices in what users write: understood, and told once in a process.

What was recorded is understood in silence, since nobody can mend it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from speechclean.records.key_names import (
    RENAMED_CHOICES,
    current_key,
    former_keys,
    with_current_keys,
)

log = logging.getLogger(__name__)

#: An override on a command line: `+key@package=value`.
_OVERRIDE = re.compile(r"([~+]*)([\w./]+)(@[^=]*)?(?:(=)(.*))?", re.DOTALL)
#: What a line of a defaults list may begin with.
_DEFAULT = re.compile(r"((?:(?:override|optional)\s+)*/?)([\w/]+)(@.*)?")

#: Last parts of the names that were told.
told: set[str] = set()


def in_overrides(lines: Sequence[str]) -> list[str]:
    """A command line under today's names; flags and words that are no overrides stay.

    >>> in_overrides(["-m", "overlap=0.1,0.2", "tracking=none"])
    ['-m', 'overlap=0.1,0.2', 'tracking=none']
    """
    return [_in_override(line) for line in lines]


def in_file(content: Mapping[str, Any], package: str) -> dict[str, Any]:
    """What a config file says under today's names, its defaults list included.

    package: the dotted path where its keys belong
    """
    for path in former_keys(content, package):
        _tell(path, current_key(path))
    made: dict[str, Any] = with_current_keys(content, package)
    if isinstance(made.get("defaults"), list):
        made["defaults"] = [_in_default(one) for one in made["defaults"]]
    return made


def todays(cfg: DictConfig) -> DictConfig:
    """A config of whatever version under today's keys; the same object if it has them already."""
    plain: Any = OmegaConf.to_container(cfg, resolve=False)
    return OmegaConf.create(with_current_keys(plain)) if former_keys(plain) else cfg


def _in_override(line: str) -> str:
    found = _OVERRIDE.fullmatch(line)
    if not found:
        return line
    sign, key, package, equals, value = (part or "" for part in found.groups())
    name = current_key(key)
    if name != key:
        _tell(key, name)
    value = _in_choices(key, value)
    if value.lstrip().startswith("{"):
        value = _in_mapping(name, value)
    return f"{sign}{name}{package}{equals}{value}"


def _in_mapping(key: str, value: str) -> str:
    """The text of a mapping that is given for a key, its own keys under today's names."""
    try:
        mapping = OverridesParser.create().parse_override(f"{key}={value}").value()
    except HydraException:
        return value  # whoever reads it says what is wrong
    for path in former_keys(mapping, key):
        _tell(path, current_key(path))
        before, now = (one.removeprefix(f"{key}.") for one in (path, current_key(path)))
        last = re.escape(before.rpartition(".")[2])
        value = re.sub(rf"(?<!\w){last}(?=\s*:)", now.rpartition(".")[2], value)
    return value


def _in_choices(group: str, value: str) -> str:
    """The choices that are given for a group: one, or several of a sweep."""
    for before, now in RENAMED_CHOICES.get(group.strip("/"), {}).items():
        renamed = re.sub(rf"(?<![\w.-]){before}(?![\w.-])", now, value)
        if renamed != value:
            _tell(f"{group}={before}", f"{group}={now}")
            value = renamed
    return value


def _in_default(entry: Any) -> Any:
    """A line of a defaults list: `{override /group: choice}`; others stay."""
    if not isinstance(entry, Mapping):
        return entry
    made = {}
    for key, value in entry.items():
        found = _DEFAULT.fullmatch(str(key))
        group = found[2] if found else ""
        made[key] = _in_choices(group, value) if isinstance(value, str) else value
    return made


def _tell(before: str, now: str) -> None:
    last = before.rpartition(".")[2]
    if last not in told:
        told.add(last)
        log.warning("%s is called %s now; the old name still works", before, now)
