"""What a fetch can fail with."""

from __future__ import annotations


class FetchError(RuntimeError):
    """A file that could not be fetched; the message says from where and why."""


class NoNetwork(FetchError):  # noqa: N818 (reads as what it says)
    """No source could be reached at all."""


class WrongContentError(FetchError):
    """What came is not what was promised."""
