"""Keys that are searched only where other keys have certain values.

    conditions:
      postprocess.floor.floor_db: postprocess has floor
      fusion.weights.spleeter: fusion is mean_mask, mean_waveform and separators has spleeter

`is` compares the whole value, `has` looks for one of the names in a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TERM = re.compile(r"(\S+)\s+(is|has)\s+(\S.*)")
#: A list as it is written, or one word.
_VALUE = re.compile(r"\[[^\]]*\]|[^\s,\[\]]+")


@dataclass(frozen=True)
class Term:
    """One comparison: the value of `key` is, or has, one of `values`."""

    key: str
    relation: str
    values: tuple[str, ...]

    def holds(self, text: str) -> bool:
        """Whether it holds for a value, as the command line writes it.

        >>> Term("separators", "has", ("b",)).holds("[a, b]")
        True
        """
        text = re.sub(r"\s", "", text)
        names = [text] if self.relation == "is" else text.strip("[]").split(",")
        return any(name in self.values for name in names)


#: All of them have to hold.
Condition = Sequence[Term]


def conditions_of(declared: Mapping[str, str]) -> dict[str, Condition]:
    """Conditions by key, from the config's words. Raises `ValueError` with the key.

    >>> conditions_of({"x": "fusion is a, b and separators has c"})["x"][0].values
    ('a', 'b')
    """
    return {key: _condition(key, str(text)) for key, text in declared.items()}


def _condition(key: str, text: str) -> Condition:
    terms = []
    for part in re.split(r"\s+and\s+", text.strip()):
        found = _TERM.fullmatch(part)
        values = [re.sub(r"\s", "", one) for one in _VALUE.findall(found[3])] if found else []
        if not found or not values:
            raise ValueError(
                f"sweep.conditions.{key}: {text!r} is not understood; "
                "write e.g. 'postprocess has floor' or 'fusion is mean_mask, max_mask'"
            )
        terms.append(Term(found[1], found[2], tuple(values)))
    return terms


def settled(
    conditions: Mapping[str, Condition], searched: Mapping[str, Any], fixed: Mapping[str, str]
) -> tuple[dict[str, Condition], list[str]]:
    """The conditions that are still open, and the keys that are not searched after all.

    What the command line sets to one value decides at once. Raises `ValueError` for a condition on
    a key that is neither searched nor set.
    """
    still_open: dict[str, Condition] = {}
    out: list[str] = []
    for key, terms in conditions.items():
        if key not in searched:
            continue
        left = [term for term in terms if term.key in searched]
        for term in terms:
            if term.key not in searched and term.key not in fixed and term.key not in out:
                raise ValueError(
                    f"sweep.conditions.{key}: {term.key} is not searched; "
                    f"give sweep.space its values, or set it on the command line"
                )
        if any(term.key in out for term in terms) or not all(
            term.holds(fixed[term.key]) for term in terms if term.key not in searched
        ):
            out.append(key)
        elif left:
            still_open[key] = left
    return still_open, out
