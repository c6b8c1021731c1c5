"""What a trial is worth: means over its files, weighted and bounded.

    objective: {metric: si_sdr_improvement, direction: maximize}
    objective: {terms: {si_sdr_improvement: 1, wer_cleaned: -20}, direction: maximize}
    objective: [{metric: music_to_speech_db_cleaned, direction: minimize}, {...}]
    constraints: ["wer <= mixture + 0.02", "wer <= current", "cost_per_audio_second <= 0.5"]

The second is a weighted sum, the third has several objectives and gives a front.

A name is `<metric>_{cleaned,mixture,improvement,change}`, `time.…` or `cost_per_audio_second`; in
constraints `wer` alone is `wer_cleaned`, `mixture` its value before, and `current` its value in the
config as it stands, which is the first trial then (`sweep.current`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DIRECTIONS = ("maximize", "minimize")
#: What a constraint calls the same mean in the config as it stands.
CURRENT = "current"
SUFFIXES = ("_cleaned", "_mixture", "_improvement", "_change")
#: Measured in every run, whatever the metrics; not file by file.
COSTS = ("cost_per_audio_second", "time.total_s", "time.per_audio_second")
#: Where every file has a reference; it needs one, and nothing else is as sensitive to both music
#: and harm.
WITH_REFERENCES = {"metric": "si_sdr_improvement", "direction": "maximize"}
#: Where there is none: 10 dB less music weigh as much as all words. Either alone is optimal where
#: the output is useless: silence, or the untouched mixture.
WITHOUT_REFERENCES = {
    "terms": {"music_to_speech_db_improvement": 0.1, "wer_vs_mixture_cleaned": -1.0},
    "direction": "maximize",
}

_BOUND = re.compile(
    r"^\s*([\w.]+)\s*(<=|>=|≤|≥)\s*(?:([A-Za-z][\w.]*)\s*(?:([+-])\s*([\d.eE-]+))?|(-?[\d.eE-]+))\s*$"
)


class ObjectiveError(ValueError):
    """A trial that cannot be judged; the message names what is missing or no number."""


@dataclass(frozen=True)
class Objective:
    """A weighted sum of means; `direction` is `maximize` or `minimize`."""

    terms: Mapping[str, float]
    direction: str

    @property
    def name(self) -> str:
        """For tables and plots."""
        if len(self.terms) == 1 and next(iter(self.terms.values())) == 1:
            return next(iter(self.terms))
        return " ".join(f"{weight:+g}·{name}" for name, weight in self.terms.items())

    def value(self, means: Mapping[str, float]) -> float:
        """The sum. Raises `ObjectiveError` for a mean that is missing, NaN or infinite."""
        return math.fsum(weight * finite(means, name) for name, weight in self.terms.items())

    @property
    def by_file(self) -> bool:
        """Whether single files have it too."""
        return not any(name in COSTS for name in self.terms)


@dataclass(frozen=True)
class Constraint:
    """A bound: `sign * (means[left] - means[right] - offset) <= 0`.

    `right` is None where the bound is a number alone, `CURRENT` where it is the same mean in the
    config as it stands.
    """

    text: str
    left: str
    sign: int
    right: str | None
    offset: float

    def violation(
        self, means: Mapping[str, float], current: Mapping[str, float] | None = None
    ) -> float:
        """By how much it is violated; 0 or less where it holds.

        current: means of the config as it stands; None: that is what the means are of
        """
        if self.right == CURRENT:
            bound = finite(means if current is None else current, self.left)
        else:
            bound = finite(means, self.right) if self.right else 0.0
        return self.sign * (finite(means, self.left) - bound - self.offset)


@dataclass(frozen=True)
class Goals:
    """All objectives and constraints of a sweep."""

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()

    @classmethod
    def of(cls, objective: Any, constraints: Sequence[str], has_references: bool) -> Goals:
        """From the config. Raises `ValueError` with the key."""
        chosen = objective or (WITH_REFERENCES if has_references else WITHOUT_REFERENCES)
        listed = chosen if isinstance(chosen, list | tuple) else [chosen]
        return cls(
            tuple(_objective(one) for one in listed),
            tuple(_constraint(text) for text in constraints),
        )

    def names(self) -> set[str]:
        """Every mean that is asked for."""
        asked = {name for one in self.objectives for name in one.terms}
        bounds = {name for one in self.constraints for name in (one.left, one.right) if name}
        return asked | bounds - {CURRENT}

    @property
    def compares(self) -> bool:
        """Whether a constraint compares with the config as it stands."""
        return any(one.right == CURRENT for one in self.constraints)

    def unmeasured(self, metrics: Mapping[str, Any]) -> list[str]:
        """What is wrong with names, given the metrics of a run."""
        wrong = []
        for name in sorted(self.names() - set(COSTS)):
            suffix = next((each for each in SUFFIXES if name.endswith(each)), None)
            metric = name.removesuffix(suffix or "")
            if suffix is None:
                wrong.append(
                    f"sweep.objective: {name!r} is no mean; "
                    f"take <metric>{', <metric>'.join(SUFFIXES)} or {COSTS[0]}"
                )
            elif metric not in metrics:
                wrong.append(
                    f"sweep.objective: {name} needs the metric {metric}; "
                    f"add it, metrics=[{','.join([*metrics, metric])}]"
                )
            elif suffix in ("_improvement", "_change") and (suffix == "_change") != (
                metrics[metric].higher_is_better is None
            ):
                other = "_change" if suffix == "_improvement" else "_improvement"
                wrong.append(f"sweep.objective: {name} is called {metric}{other}")
        return wrong

    def one_line(self) -> str:
        """The goals in words."""
        aims = "; ".join(f"{one.direction} {one.name}" for one in self.objectives)
        return aims + "".join(f", {one.text}" for one in self.constraints)


def finite(means: Mapping[str, float], name: str) -> float:
    """A mean that is a number. Raises `ObjectiveError`."""
    value = means.get(name)
    if value is None:
        raise ObjectiveError(f"{name} was measured on none of the files")
    if not math.isfinite(value):
        raise ObjectiveError(f"{name} is {value}")
    return float(value)


def _objective(given: Any) -> Objective:
    if not isinstance(given, Mapping) or ("metric" in given) == ("terms" in given):
        raise ValueError(
            f"sweep.objective={given}: give {{metric: NAME, direction: maximize}} "
            "or {terms: {NAME: WEIGHT}, …}"
        )
    if unknown := set(given) - {"metric", "terms", "direction"}:
        raise ValueError(
            f"sweep.objective: there is no key {', '.join(sorted(unknown))}; "
            "there are metric, terms, direction"
        )
    if given.get("direction") not in DIRECTIONS:
        raise ValueError(
            f"sweep.objective.direction={given.get('direction')} must be one of "
            f"{', '.join(DIRECTIONS)}"
        )
    terms = (
        {given["metric"]: 1.0}
        if "metric" in given
        else {name: float(weight) for name, weight in given["terms"].items()}
    )
    return Objective(terms, given["direction"])


def _constraint(text: str) -> Constraint:
    """From the config's words.

    >>> means = {"wer_cleaned": 0.25, "wer_mixture": 0.2}
    >>> round(_constraint("wer <= mixture + 0.02").violation(means), 6)
    0.03
    >>> _constraint("stoi_cleaned >= 0.8").violation({"stoi_cleaned": 0.9}) < 0
    True
    """
    found = _BOUND.match(text)
    if not found:
        raise ValueError(
            f"sweep.constraints: {text!r} is not understood; "
            "write e.g. 'wer <= mixture + 0.02' or 'stoi >= 0.8'"
        )
    left, relation, right, sign, offset, number = found.groups()
    metric = next((left.removesuffix(suffix) for suffix in SUFFIXES if left.endswith(suffix)), left)
    left = left if left.endswith(SUFFIXES) or left in COSTS else f"{left}_cleaned"
    if right is not None:
        right = f"{metric}_mixture" if right == "mixture" else right
    try:
        value = float(number or offset or 0.0) * (-1 if sign == "-" else 1)
    except ValueError:
        raise ValueError(f"sweep.constraints: {text!r} holds what is no number") from None
    return Constraint(text.strip(), left, 1 if relation in ("<=", "≤") else -1, right, value)
