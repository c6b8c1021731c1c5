"""Ratios of energies in dB, within bounds: what several metrics report."""

from __future__ import annotations

import math


def check_cap(cap_db: float) -> None:
    """Raise `ValueError` for a bound that is none."""
    if not 0 < cap_db < math.inf:
        raise ValueError(
            f"cap_db must be a positive number of dB, got {cap_db}; 100 is beyond 16-bit audio"
        )


def decibels(wanted: float, unwanted: float, cap_db: float) -> float:
    """10 log10 (wanted / unwanted) within +-`cap_db`; nothing wanted reads -`cap_db`, 0/0 included.

    >>> decibels(100.0, 1.0, 60.0), decibels(1.0, 0.0, 60.0), decibels(0.0, 0.0, 60.0)
    (20.0, 60.0, -60.0)
    """
    if wanted <= 0 or unwanted <= 0:
        return -cap_db if wanted <= 0 else cap_db
    return max(-cap_db, min(cap_db, 10 * math.log10(wanted) - 10 * math.log10(unwanted)))
