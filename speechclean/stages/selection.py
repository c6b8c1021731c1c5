"""Which of several fusions of the same answers a file keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from speechclean.audio.waveform import Audio

from .fusion.base import FusionRule
from .fusion.geometric_mask import GeometricMask
from .fusion.max_mask import MaxMask
from .fusion.mean_mask import MeanMask
from .fusion.mean_waveform import MeanWaveform
from .fusion.median_mask import MedianMask
from .fusion.min_mask import MinMask
from .types import Separation, Stems

#: The config's own fusion, which is always among those that a file may keep.
OWN = "own"
RULES: Mapping[str, type[FusionRule]] = {
    "geometric_mask": GeometricMask,
    "max_mask": MaxMask,
    "mean_mask": MeanMask,
    "mean_waveform": MeanWaveform,
    "median_mask": MedianMask,
    "min_mask": MinMask,
}
#: A metric of a separation, by its name; None where it cannot be measured.
Measure = Callable[[str, Separation], float | None]


@dataclass(frozen=True)
class Candidate:
    """A fusion of some of the separators' answers; None of `separators` is all of them."""

    rule: FusionRule
    separators: tuple[str, ...] | None = None

    def __call__(self, mixture: Audio, stems: Mapping[str, Stems]) -> Separation:
        """One estimate of those answers."""
        names = stems if self.separators is None else self.separators
        return self.rule(mixture, {name: stems[name] for name in names})


@dataclass(frozen=True)
class BestOf:
    """Keeps the fusion that loses fewest words, and of those the one that leaves least music.

    Networks answer once for all of them: a candidate costs its fusion, the stages after it, and
    being listened to.

    candidates: by name: `fusion`, a rule of conf/fusion, its knobs, and `separators`, those whose
        answers it takes, where that is not all of them
    words: metrics that tell lost words. The first that can be measured in a file decides there;
        where none can, the config's own fusion is kept
    then: the metric that decides among fusions that are alike in words
    """

    candidates: dict[str, Any]
    words: list[str] = field(default_factory=lambda: ["words_lost", "wer_vs_mixture"])
    then: str = "music_residual_db"

    def __post_init__(self) -> None:
        if not self.candidates or OWN in self.candidates:
            raise ValueError(
                f"candidates={dict(self.candidates)} must name one or more fusions, none of them "
                f"{OWN!r}, which is the config's own"
            )
        if not self.words:
            raise ValueError("words=[] must name a metric that can tell lost words: words_lost")
        self.fusions()

    def fusions(self) -> dict[str, Candidate]:
        """The candidates by name. Raises `ValueError` for what is no fusion, or no knob of it."""
        return {name: _candidate(name, one) for name, one in self.candidates.items()}

    def __call__(self, separation: Separation, measure: Measure) -> tuple[str, str]:
        """The name of the fusion that is kept, of `separation` and its `others`, and why."""
        options = {OWN: separation, **separation.others}
        for metric in self.words:
            lost = {name: measure(metric, one) for name, one in options.items()}
            known = {name: value for name, value in lost.items() if value is not None}
            if len(known) == len(options):
                break
        else:
            return OWN, f"none of {', '.join(self.words)} could be measured"
        fewest = [name for name, value in known.items() if value == min(known.values())]
        left = {name: measure(self.then, options[name]) for name in fewest}
        heard = {name: value for name, value in left.items() if value is not None}
        kept = min(heard, key=heard.__getitem__) if heard else fewest[0]
        reason = f"{metric} {known[kept]:.4g}"
        if kept in heard:
            reason += f", {self.then} {heard[kept]:.4g}"
        others = [f"{name} {value:.4g}" for name, value in known.items() if name != kept]
        return kept, f"{reason} ({metric} {', '.join(others)})"


def _candidate(name: str, given: Any) -> Candidate:
    if not isinstance(given, Mapping) or given.get("fusion") not in RULES:
        raise ValueError(
            f"candidates.{name}={given} must have fusion: one of {', '.join(RULES)}; "
            f"e.g. {{fusion: geometric_mask, exponent: 1}}"
        )
    knobs = {str(key): value for key, value in given.items() if key not in ("fusion", "separators")}
    rule = RULES[given["fusion"]]
    known = [one.name for one in fields(rule)]
    for key in knobs:
        if key not in known:
            raise ValueError(
                f"candidates.{name}.{key}: {given['fusion']} has no such knob; it has "
                f"{', '.join(known)}"
            )
    separators = given.get("separators")
    if separators is not None and (not isinstance(separators, list) or not separators):
        raise ValueError(f"candidates.{name}.separators={separators} must be a list of names")
    try:
        made = rule(**knobs)
    except (TypeError, ValueError) as error:
        raise ValueError(f"candidates.{name}.{error}") from error
    return Candidate(made, None if separators is None else tuple(map(str, separators)))
