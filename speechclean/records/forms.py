"""Whether data that anybody may have written has the form that it should have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

#: What a form may ask for, in words.
_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
#: A yaml of a run's config has a few kB. Reading yaml takes a second per MiB.
LARGEST_YAML = 2**20


@dataclass(frozen=True)
class Each:
    """A mapping of names to values of one form."""

    form: Any


@dataclass(frozen=True)
class Maybe:
    """Missing, None, or a value of a form."""

    form: Any


def require(value: Any, form: Any, where: str) -> None:
    """Raise `ValueError` that says where a value is, and what it should be, unless it fits.

    form: `str`, `int`, `float` (whole numbers too) or `bool`; a dict of forms by key, where other
        keys may be there too; `Each`; `Maybe`

    >>> require({"cpu": {"threads": "two"}}, {"cpu": {"threads": int}}, "provenance.json")
    Traceback (most recent call last):
    ValueError: provenance.json: cpu.threads should be a whole number
    """
    if (wrong := _misfit(value, form, "")) is not None:
        raise ValueError(f"{where}: {wrong}")


def plain_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a yaml file, of plain values under plain names, to any depth.

    Raises `ValueError` for anything else: what a run writes has no aliases, which can make of a
    small file more than a memory holds, no dates and no objects.
    """
    if path.stat().st_size > LARGEST_YAML:
        raise ValueError(f"it has more than {LARGEST_YAML / 2**20:.0f} MiB")
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), _PlainLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"it is no yaml ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(found, dict):
        raise ValueError("it is no mapping")
    if (wrong := _foreign(found, "")) is not None:
        raise ValueError(wrong)
    return found


class _PlainLoader(yaml.SafeLoader):  # type: ignore[misc] # yaml has no types
    """Of yaml what a run writes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node; an alias stands for another one, however large that is."""
        if self.check_event(yaml.AliasEvent):
            raise ValueError("it has aliases (*name), which no run writes")
        return super().compose_node(parent, index)


def _misfit(value: Any, form: Any, key: str) -> str | None:
    """What does not fit, by its dotted key; None where all does."""
    name = key.rstrip(".") or "it"
    if isinstance(form, Maybe):
        return None if value is None else _misfit(value, form.form, key)
    if isinstance(form, Mapping | Each):
        if not isinstance(value, Mapping):
            return f"{name} should be a mapping"
        inner = form if isinstance(form, Mapping) else dict.fromkeys(value, form.form)
        wrong = (_misfit(value.get(one), part, f"{key}{one}.") for one, part in inner.items())
        return next((each for each in wrong if each is not None), None)
    return None if _is_one(value, form) else f"{name} should be {_WORDS[form]}"


def _is_one(value: Any, form: type) -> bool:
    """Whether a value is of a simple type; true is no number, nor is what no float can hold."""
    if form is bool or isinstance(value, bool):
        return form is bool and isinstance(value, bool)
    if form is float:
        return isinstance(value, int | float) and _finite(value)
    return isinstance(value, form)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _foreign(node: Any, key: str) -> str | None:
    """What in a node is no plain value, by its dotted key; None where all is."""
    if isinstance(node, dict):
        for name, value in node.items():
            if not isinstance(name, str | int):
                return f"{key}{name!r} is no name of a key"
            if (wrong := _foreign(value, f"{key}{name}.")) is not None:
                return wrong
    elif isinstance(node, list):
        found = (_foreign(one, f"{key}{index}.") for index, one in enumerate(node))
        return next((each for each in found if each is not None), None)
    elif not isinstance(node, str | int | float | None):
        return f"{key.rstrip('.')} is a {type(node).__name__}, no plain value"
    return None
