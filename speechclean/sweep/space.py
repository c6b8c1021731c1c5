"""A space of points, and what can be said of it: its points, how many there are, who is in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from speechclean.records.key_names import current_key

from .conditions import Condition

Point = Mapping[str, Any]


class Space(dict[str, BaseDistribution]):
    """Values by key, in the order in which they are drawn: whatever a key hangs on comes first.

    Keys have their first names, as in studies that were begun when those were new.

    conditions: by key, where it is searched; those without one always are
    """

    def __init__(
        self,
        values: Mapping[str, BaseDistribution] | None = None,
        conditions: Mapping[str, Condition] | None = None,
    ) -> None:
        self.conditions = dict(conditions or {})
        given = dict(values or {})
        super().__init__({key: one for key, one in given.items() if key not in self.conditions})
        self.update({key: one for key, one in given.items() if key in self.conditions})

    def is_searched(self, key: str, point: Point) -> bool:
        """Whether a key's condition holds in a point whose earlier keys have their values."""
        return all(
            term.key in point and term.holds(written(point[term.key]))
            for term in self.conditions.get(key, ())
        )

    def drawn(self, value: Callable[[str, BaseDistribution], Any]) -> dict[str, Any]:
        """A point whose values are drawn one after another, with those that it leaves out."""
        point: dict[str, Any] = {}
        for key, one in self.items():
            if self.is_searched(key, point):
                point[key] = value(key, one)
        return point


def as_overrides(point: Point) -> list[str]:
    """A point as a command line, with today's names."""
    return [f"{current_key(key)}={written(value)}" for key, value in point.items()]


def written(value: Any) -> str:
    """A value as the command line takes it; floats without the noise of adding steps up."""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(rounded(value)) if isinstance(value, float) else str(value)


def rounded(value: Any) -> Any:
    """A float to ten digits: 0.15 and not 0.15000000000000002."""
    return float(f"{value:.10g}") if isinstance(value, float) and math.isfinite(value) else value


def same(point: Point) -> tuple[tuple[str, Any], ...]:
    """A key under which two points are equal: sorted, floats rounded."""
    return tuple(sorted((key, rounded(value)) for key, value in point.items()))


def is_in(point: Point, space: Space) -> bool:
    """Whether a point is one of the space; a storage that others write to may hold any values.

    >>> is_in({"shifts": "1,hydra.run.dir=/"}, Space({"shifts": CategoricalDistribution([1, 2])}))
    False
    """
    if set(point) != set(space.drawn(lambda key, _: point.get(key))):
        return False
    try:
        return all(
            space[key]._contains(space[key].to_internal_repr(value))  # noqa: SLF001 (Optuna has no public way)
            for key, value in point.items()
        )
    except (ValueError, TypeError):  # no number where one is needed, or none of the choices
        return False


def covering(space: Space) -> list[dict[str, Any]]:
    """Points in which every key of the space has some value at least once."""
    points = [space.drawn(_first)]
    for key in space:
        if not any(key in point for point in points):
            points.append(with_key(space, key))
    return points


def _first(_: str, one: BaseDistribution) -> Any:
    return _values(one)[0] if _is_finite(one) else one.low  # type: ignore[attr-defined]


def with_key(space: Space, key: str) -> dict[str, Any]:
    """A point in which a key is searched. Raises `ValueError` where there is none."""
    wanted = _wanted(space, key)
    return space.drawn(lambda name, one: wanted.get(name, _first(name, one)))


def _wanted(space: Space, key: str) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    terms = space.conditions.get(key, ())
    for parent in dict.fromkeys(term.key for term in terms):
        own = [term for term in terms if term.key == parent]
        right = [
            value
            for value in _values(space[parent])
            if all(term.holds(written(value)) for term in own)
        ]
        if not right:
            raise ValueError(
                f"sweep.conditions.{key}: none of the values of {parent} is, or has, "
                f"{', '.join(own[0].values)}"
            )
        wanted |= {**_wanted(space, parent), parent: right[0]}
    return wanted


def size(space: Space) -> float:
    """How many points there are; infinity where a key is continuous."""
    parents = {term.key for terms in space.conditions.values() for term in terms}
    keys = list(space)

    def count(index: int, point: dict[str, Any]) -> float:
        if index == len(keys):
            return 1
        key = keys[index]
        if not space.is_searched(key, point):
            return count(index + 1, point)
        if key in parents:
            return sum(count(index + 1, {**point, key: one}) for one in _values(space[key]))
        values = len(_values(space[key])) if _is_finite(space[key]) else math.inf
        return values * count(index + 1, point)

    return count(0, {})


def grid(space: Space) -> Iterator[dict[str, Any]]:
    """All points of a finite space. Raises `ValueError` for a continuous key."""
    for key, one in space.items():
        if not _is_finite(one):
            raise ValueError(
                f"sweep.space.{key}: a grid needs choice(…) or range(…, step=…), not an interval"
            )
    keys = list(space)

    def points(index: int, point: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if index == len(keys):
            yield point
        elif not space.is_searched(keys[index], point):
            yield from points(index + 1, point)
        else:
            for value in _values(space[keys[index]]):
                yield from points(index + 1, {**point, keys[index]: value})

    yield from points(0, {})


def _is_finite(one: BaseDistribution) -> bool:
    return not isinstance(one, FloatDistribution) or one.step is not None


def _values(one: BaseDistribution) -> list[Any]:
    if isinstance(one, CategoricalDistribution):
        return list(one.choices)
    if isinstance(one, IntDistribution):
        return list(range(one.low, one.high + 1, one.step))
    assert isinstance(one, FloatDistribution)
    assert one.step is not None
    return [
        rounded(one.low + index * one.step)
        for index in range(round((one.high - one.low) / one.step) + 1)
    ]
