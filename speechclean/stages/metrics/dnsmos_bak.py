"""How little of what is behind the speech disturbs, by DNSMOS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .dnsmos import BACKGROUND, UsesDnsmos


@dataclass(frozen=True)
class DnsmosBackground(UsesDnsmos):
    """How little of what is behind the speech disturbs, 1 to 5, by DNSMOS P.835.

    None for silence and for less than a quarter of a second.
    """

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = True
    reads_mask: ClassVar[bool] = False
    score: ClassVar[int] = BACKGROUND
