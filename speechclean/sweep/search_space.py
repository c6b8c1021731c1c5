"""What is searched: keys of the config and their values.

In the syntax that Hydra has for sweeps on the command line.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    RangeSweep,
    Transformer,
)
from hydra.errors import HydraException
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

Space = dict[str, BaseDistribution]
Point = Mapping[str, Any]


def space_of(declared: Mapping[str, str], arguments: Sequence[str]) -> tuple[Space, list[str]]:
    """The space from the config and the command line, and the arguments that are no part of it.

    A key that the command line sets to one value is not searched. Raises `ValueError` with the key.
    """
    written = [f"{key}={values}" for key, values in declared.items()]
    try:
        parser = OverridesParser.create()
        overrides = parser.parse_overrides(written) + parser.parse_overrides(list(arguments))
    except HydraException as error:
        raise ValueError(f"sweep.space: {str(error).splitlines()[0]}") from error
    space: Space = {}
    for override in overrides[: len(written)]:
        if not override.is_sweep_override():
            raise ValueError(
                f"sweep.space.{override.get_key_element()}={override.get_value_string()}: "
                "one value is no choice; give choice(a,b), range(start,stop,step) or "
                "interval(low,high)"
            )
        space[override.get_key_element()] = _distribution(override)
    fixed = []
    for override in overrides[len(written) :]:
        if override.is_sweep_override():
            space[override.get_key_element()] = _distribution(override)
        else:
            space.pop(override.get_key_element(), None)
            fixed.append(str(override.input_line))
    if not space:
        raise ValueError(
            "sweep.space={}: nothing is searched; give at least one key, e.g. shifts: choice(1,2,4)"
        )
    return space, fixed


def _distribution(override: Override) -> BaseDistribution:
    value = override.value()
    if isinstance(value, ChoiceSweep):
        # Lists, [a,b], are kept as they are written; Optuna takes scalars only.
        texts = list(override.sweep_iterator(transformer=Transformer.encode))
        return CategoricalDistribution(
            [_scalar(one, text) for one, text in zip(value.list, texts, strict=True)]
        )
    if isinstance(value, RangeSweep):
        numbers = value.range()
        if isinstance(numbers, range):
            return IntDistribution(min(numbers), max(numbers), step=abs(numbers.step))
        values = [
            Decimal(str(one)) for one in override.sweep_iterator(transformer=Transformer.encode)
        ]
        return FloatDistribution(
            float(min(values)), float(max(values)), step=float(abs(Decimal(str(value.step))))
        )
    if isinstance(value, IntervalSweep) and value.start is not None and value.end is not None:
        whole = isinstance(value.start, int) and isinstance(value.end, int) and "log" in value.tags
        kind: Any = IntDistribution if whole else FloatDistribution
        return kind(value.start, value.end, log="log" in value.tags)
    raise ValueError(
        f"sweep.space.{override.get_key_element()}: {override.input_line} cannot be searched"
    )


def _scalar(value: Any, text: Any) -> Any:
    return value if isinstance(value, bool | int | float) else str(text)


def as_overrides(point: Point) -> list[str]:
    """A point as a command line."""
    return [f"{key}={written(value)}" for key, value in point.items()]


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

    >>> is_in({"shifts": "1,hydra.run.dir=/"}, {"shifts": CategoricalDistribution([1, 2])})
    False
    """
    if set(point) != set(space):
        return False
    try:
        return all(one._contains(one.to_internal_repr(point[key])) for key, one in space.items())  # noqa: SLF001 (Optuna has no public way)
    except (ValueError, TypeError):  # no number where one is needed, or none of the choices
        return False


def first(space: Space) -> dict[str, Any]:
    """Some point of the space, to check its keys with."""
    return {key: _values(one)[0] if _is_finite(one) else one.low for key, one in space.items()}  # type: ignore[attr-defined]


def size(space: Space) -> float:
    """How many points there are; infinity where a key is continuous."""
    return math.prod(len(_values(one)) if _is_finite(one) else math.inf for one in space.values())


def grid(space: Space) -> Iterator[dict[str, Any]]:
    """All points of a finite space. Raises `ValueError` for a continuous key."""
    for key, one in space.items():
        if not _is_finite(one):
            raise ValueError(
                f"sweep.space.{key}: a grid needs choice(…) or range(…, step=…), not an interval"
            )
    for values in itertools.product(*(_values(one) for one in space.values())):
        yield dict(zip(space, values, strict=True))


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
