"""Points that are tried first: what is known to be good, before a sampler draws at random."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from speechclean.records.key_names import first_key

from .space import Space, is_in, written


def first_points(
    listed: Sequence[Mapping[str, Any]], declared: Mapping[str, Any], space: Space
) -> list[dict[str, Any]]:
    """Those of `sweep.first` that are points of the space.

    What the command line has set to one value is left out of them; a point without a value for
    what is searched besides, or with one that is not searched any more, is none.

    declared: the keys of `sweep.space`

    Raises `ValueError` for a key that was never searched.
    """
    keys = {first_key(key) for key in declared}
    found: list[dict[str, Any]] = []
    for number, one in enumerate(listed):
        given = {first_key(str(key)): value for key, value in one.items()}
        if unknown := sorted(set(given) - keys - set(space)):
            raise ValueError(f"sweep.first[{number}]: {', '.join(unknown)} not in sweep.space")
        values = {key: _value(space[key], given[key]) for key in space if key in given}
        point = space.drawn(lambda key, _, own=values: own.get(key))  # type: ignore[misc]
        if None not in point.values() and is_in(point, space) and point not in found:
            found.append(point)
    return found


def _value(one: BaseDistribution, value: Any) -> Any:
    """A value as the space has it; None where it has no such choice."""
    if not isinstance(one, CategoricalDistribution):
        return value
    text = _plain(value)
    return next((choice for choice in one.choices if _plain(choice) == text), None)


def _plain(value: Any) -> str:
    """A value as it is written, lists and mappings without blanks."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_plain, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{_plain(own)}' for key, own in value.items())}}}"
    return re.sub(r"\s", "", written(value))
