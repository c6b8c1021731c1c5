"""How much was computed, how much came from the cache, and what that saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock


@dataclass(frozen=True)
class Cost:
    """What an estimate took: forward passes (of a network over a segment or chunk) and seconds."""

    forwards: int
    seconds: float


@dataclass
class Tally:
    """Counts of one run; threads may share it.

    Hits and misses count estimates of networks; values of metrics, which take no forward passes, do
    not count.
    """

    forwards: dict[str, int] = field(default_factory=dict)  #: passes that were computed, by kind
    spared: dict[str, int] = field(default_factory=dict)  #: passes that hits saved, by kind
    found: int = 0  #: hits
    missed: int = 0  #: misses
    seconds: float = 0.0  #: time spent on misses
    saved_s: float = 0.0  #: time that the hits took when they were computed
    _lock: Lock = field(default_factory=Lock, repr=False)

    def computed(self, kind: str, cost: Cost) -> None:
        """Count a miss."""
        with self._lock:
            self.missed += bool(cost.forwards)
            self.seconds += cost.seconds
            self.forwards[kind] = self.forwards.get(kind, 0) + cost.forwards

    def reused(self, kind: str, cost: Cost) -> None:
        """Count a hit."""
        with self._lock:
            self.found += bool(cost.forwards)
            self.saved_s += cost.seconds
            self.spared[kind] = self.spared.get(kind, 0) + cost.forwards

    def metrics(self) -> dict[str, float]:
        """All counts, under the names that a table of runs shows."""
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
        """One line for people; empty without any hit or miss."""
        if not self.found + self.missed:
            return ""
        forwards, spared = sum(self.forwards.values()), sum(self.spared.values())
        return (
            f"{self.found} of {self.found + self.missed} estimates reused: "
            f"{forwards} forward passes computed, {spared} spared, {self.saved_s:.1f} s saved"
        )
