"""Loudness of the speech."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from speechclean.audio.loudness import integrated_lufs
from speechclean.stages.types import Separation, Track


@dataclass(frozen=True)
class Lufs:
    """Integrated loudness in LUFS (ITU-R BS.1770-4).

    `loudness.integrated_lufs` tells how short sounds and many channels are measured. A level,
    neither good nor bad. None for silence and anything under the gate of -70 LUFS.
    """

    unit: ClassVar[str] = "LUFS"
    higher_is_better: ClassVar[bool | None] = None
    reads_mask: ClassVar[bool] = False

    def __call__(self, separation: Separation, track: Track) -> float | None:  # noqa: ARG002
        """The loudness in LUFS."""
        return integrated_lufs(separation.speech)
