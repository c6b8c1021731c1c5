"""Keys that are searched only where other keys have certain values.

    conditions:
      postprocess.floor.floor_db: postprocess has floor
      fusion.weights.spleeter: fusion is mean_mask, mean_waveform and separators has spleeter

`is` compares the whole value, `has` looks for one of the names in a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from speechclean.records.key_names import first_key

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
    return {first_key(key): _condition(key, str(text)) for key, text in declared.items()}


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
        terms.append(Term(first_key(found[1]), found[2], tuple(values)))
    return terms


def settled(
    conditions: Mapping[str, Condition],
    searched: Mapping[str, Any],
    fixed: Callable[[str], str | None],
) -> tuple[dict[str, Condition], list[str]]:
    """The conditions that are still open, and the keys that are not searched after all.

    What is not searched decides at once.

    fixed: the value of a key that is not searched, None for one that there is not

    Raises `ValueError` for a condition on a key that there is not.
    """
    still_open: dict[str, Condition] = {}
    out: list[str] = []
    for key, terms in conditions.items():
        if key not in searched:
            continue
        values = {term: fixed(term.key) for term in terms if term.key not in searched}
        for term, value in values.items():
            if value is None:
                raise ValueError(f"sweep.conditions.{key}: there is no key {term.key}")
        if not all(term.holds(str(value)) for term, value in values.items()):
            out.append(key)
        elif left := [term for term in terms if term.key in searched]:
            still_open[key] = left
    # What hangs on a key that is not searched after all is not searched either.
    for _ in conditions:
        out += [
            key
            for key, terms in still_open.items()
            if key not in out and any(term.key in out for term in terms)
        ]
    return {key: terms for key, terms in still_open.items() if key not in out}, out
