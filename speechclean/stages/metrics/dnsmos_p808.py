"""How good the sound is as a whole, by DNSMOS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .dnsmos import UsesDnsmos


@dataclass(frozen=True)
class DnsmosP808(UsesDnsmos):
    """How good the sound is as a whole, 1 to 5, by DNSMOS P.808.

    None for silence and for less than a quarter of a second.
    """

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = True
    reads_mask: ClassVar[bool] = False
    network: ClassVar[str] = "p808"
