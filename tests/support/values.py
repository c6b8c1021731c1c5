"""Values that may be absent, where a test expects one."""

from __future__ import annotations


def number(value: float | None) -> float:
    """The value of a measure that applies here: None fails the test."""
    assert value is not None, "the measure has no value"
    return value
