"""What is searched: keys of the config and their values.

In the syntax that Hydra has for sweeps on the command line; a key may hang on others
(`conditions`), and a point then leaves it out where its condition does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

from speechclean.records.key_names import first_key

from .conditions import Condition, conditions_of, settled
from .space import Space, with_key


def space_of(
    declared: Mapping[str, str],
    arguments: Sequence[str],
    conditions: Mapping[str, str] | None = None,
    standing: Callable[[str], str | None] = lambda _: None,
) -> tuple[Space, list[str]]:
    """The space from the config and the command line, and the arguments that are no part of it.

    A key that the command line sets to one value is not searched. Raises `ValueError` with the key.

    conditions: by key, in the words of `conditions`
    standing: the value of a key in the config as it stands, None for one that there is not
    """
    written = [f"{key}={values}" for key, values in declared.items()]
    try:
        parser = OverridesParser.create()
        overrides = parser.parse_overrides(written) + parser.parse_overrides(list(arguments))
    except HydraException as error:
        raise ValueError(f"sweep.space: {str(error).splitlines()[0]}") from error
    space = Space()
    for override in overrides[: len(written)]:
        if not override.is_sweep_override():
            raise ValueError(
                f"sweep.space.{override.get_key_element()}={override.get_value_string()}: "
                "one value is no choice; give choice(a,b), range(start,stop,step) or "
                "interval(low,high)"
            )
        space[first_key(override.get_key_element())] = _distribution(override)
    fixed, values = [], {}
    for override in overrides[len(written) :]:
        key = first_key(override.get_key_element())
        if override.is_sweep_override():
            space[key] = _distribution(override)
        else:
            space.pop(key, None)
            fixed.append(str(override.input_line))
            values[key] = str(override.get_value_string())
    space = _with_conditions(
        space, conditions_of(conditions or {}), lambda key: values.get(key) or standing(key)
    )
    if not space:
        raise ValueError(
            "sweep.space={}: nothing is searched; give at least one key, e.g. shifts: choice(1,2,4)"
        )
    return space, fixed


def _with_conditions(
    space: Space, conditions: Mapping[str, Condition], fixed: Callable[[str], str | None]
) -> Space:
    still_open, out = settled(conditions, space, fixed)
    made = Space({key: one for key, one in space.items() if key not in out}, still_open)
    order = list(made)
    for key, terms in made.conditions.items():
        for parent in {term.key for term in terms}:
            if not isinstance(made[parent], CategoricalDistribution | IntDistribution):
                raise ValueError(f"sweep.conditions.{key}: {parent} must be a choice")
            if order.index(parent) > order.index(key):
                raise ValueError(
                    f"sweep.conditions.{key}: give {parent} its line before that of {key}"
                )
        with_key(made, key)
    return made


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
