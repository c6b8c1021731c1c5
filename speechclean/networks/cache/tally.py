"""What was computed, what was reused, and what that saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock


@dataclass(frozen=True)
class Cost:
    """What an estimate took: forward passes of a network over a segment or chunk, and seconds."""

    forwards: int
    seconds: float


@dataclass
class Tally:
    """Counts of one run; threads may share it."""

    forwards: dict[str, int] = field(default_factory=dict)  #: computed, by kind
    #: forwards that entries stood in for, by kind
    spared: dict[str, int] = field(default_factory=dict)
    found: int = 0  #: estimates that were there; measures, which are no forwards, do not count
    missed: int = 0
    seconds: float = 0.0  #: spent on what was computed
    saved_s: float = 0.0  #: what the entries took when they were made
    _lock: Lock = field(default_factory=Lock, repr=False)

    def computed(self, kind: str, cost: Cost) -> None:
        """An estimate was computed."""
        with self._lock:
            self.missed += bool(cost.forwards)
            self.seconds += cost.seconds
            self.forwards[kind] = self.forwards.get(kind, 0) + cost.forwards

    def reused(self, kind: str, cost: Cost) -> None:
        """An estimate was there."""
        with self._lock:
            self.found += bool(cost.forwards)
            self.saved_s += cost.seconds
            self.spared[kind] = self.spared.get(kind, 0) + cost.forwards

    def metrics(self) -> dict[str, float]:
        """All of it under names for a table of runs."""
        kinds = [
            kind
            for kind in {**self.forwards, **self.spared}
            if self.forwards.get(kind, 0) + self.spared.get(kind, 0)
        ]
        counts = {f"reuse.{kind}_forwards": float(self.forwards.get(kind, 0)) for kind in kinds}
        counts |= {
            f"reuse.{kind}_forwards_spared": float(self.spared.get(kind, 0)) for kind in kinds
        }
        return counts | {
            "reuse.found": float(self.found),
            "reuse.missed": float(self.missed),
            "reuse.computed_s": self.seconds,
            "reuse.saved_s": self.saved_s,
        }

    def told(self) -> str:
        """One line for people, empty if there was nothing to reuse or compute."""
        if not self.found + self.missed:
            return ""
        forwards, spared = sum(self.forwards.values()), sum(self.spared.values())
        return (
            f"{self.found} of {self.found + self.missed} estimates reused: {forwards} forward passes computed, {spared} spared"
            f", {self.saved_s:.1f} s saved"
        )
