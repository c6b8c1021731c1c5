"""How good the speech itself sounds, whatever is behind it, by DNSMOS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .dnsmos import SIGNAL, UsesDnsmos


@dataclass(frozen=True)
class DnsmosSignal(UsesDnsmos):
    """How good the speech itself sounds, whatever is behind it, 1 to 5, by DNSMOS P.835.

    None for silence and for less than a quarter of a second.
    """

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = True
    reads_mask: ClassVar[bool] = False
    score: ClassVar[int] = SIGNAL
