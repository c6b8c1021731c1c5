"""What happens to a file that its metrics say was harmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .types import Separation

#: Says whether a separation harms, by measuring it.
Harms = Callable[[Separation], bool]


@dataclass(frozen=True)
class NoGuard:
    """The file is kept as it came out; its verdict says that it was harmed."""

    def __call__(self, separation: Separation, harms: Harms) -> tuple[Separation, float]:  # noqa: ARG002
        """The same, and the share of it that was kept: all."""
        return separation, 1.0


@dataclass(frozen=True)
class Fallback:
    """Tries mixes with less and less of the cleaned speech, and takes the first that does no harm.

    wets: shares of cleaned speech that are tried, falling; the rest is mixture. After the last of
        them the mixture itself is passed through, sample by sample.
    refuse_blind: a run in which nothing that hears the voice could be measured is refused at its
        start; False lets it run, though the guard could find no harm
    """

    wets: list[float] = field(default_factory=lambda: [0.7, 0.4])
    refuse_blind: bool = False

    def __post_init__(self) -> None:
        if any(not 0 < wet < 1 for wet in self.wets) or sorted(self.wets, reverse=True) != list(
            self.wets
        ):
            raise ValueError(
                f"wets={list(self.wets)} must fall and lie between 0 and 1, e.g. [0.7,0.4]; "
                "[] passes harmed files"
            )

    def __call__(self, separation: Separation, harms: Harms) -> tuple[Separation, float]:
        """A separation that does no harm, and the share of the cleaned speech in it, 0 to 1."""
        if not harms(separation):
            return separation, 1.0
        dry = separation.mixture.waveform * separation.gain  # the voice at one level in both
        for wet in self.wets:
            mixed = separation.with_speech(wet * separation.speech.waveform + (1 - wet) * dry)
            if not harms(mixed):
                return mixed, wet
        return separation.before(), 0.0
