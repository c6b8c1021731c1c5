"""What a test takes out of an optional value."""

from __future__ import annotations


def measured(value: float | None) -> float:
    """The value of a metric that has to apply here."""
    assert value is not None, "the metric does not apply"
    return value
