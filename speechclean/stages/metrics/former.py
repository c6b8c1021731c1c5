"""Metrics that are no more: records of earlier runs name them.

Their words were heard by pocketsphinx, which understood the pilot's first voices and little else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NoReturn

from speechclean.stages.types import Separation, Track


@dataclass(frozen=True)
class _ByPocketsphinx:
    """A run that is run again keeps its config, and lacks this number.

    max_active: as it was recorded
    """

    max_active: int = 1000

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = False
    reads_mask: ClassVar[bool] = False

    def __call__(self, separation: Separation, track: Track) -> NoReturn:  # noqa: ARG002
        """Raises `RuntimeError`."""
        raise RuntimeError(
            "it was measured by pocketsphinx, which this version does not have; "
            "metrics=[wer] hears by Whisper"
        )


@dataclass(frozen=True)
class Wer(_ByPocketsphinx):
    """Word error rate."""


@dataclass(frozen=True)
class Cer(_ByPocketsphinx):
    """Character error rate."""


@dataclass(frozen=True)
class WerVsMixture(_ByPocketsphinx):
    """Words that were heard otherwise than in the mixture."""

    higher_is_better: ClassVar[bool | None] = None
