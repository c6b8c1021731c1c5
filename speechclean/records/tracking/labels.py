"""Names and values as a tracking store takes them, by one rule for each.

A key keeps letters, digits and `_ - . / : space`; every other run of characters becomes one `_`
(`postprocess[0]` -> `postprocess_0`). One of more than 250 characters is cut, and ends in a hash of
the whole. Values look as in an override on the command line: `null`, `true`, `[a,b]`.
"""

from __future__ import annotations

import getpass
import hashlib
import math
import os
import re
from collections.abc import Mapping
from typing import TypeVar

from speechclean.system.secrets import masked

from .address import TrackingError

#: MLflow's limits, in characters.
KEY_LENGTH, PARAM_LENGTH, TAG_LENGTH = 250, 6000, 8000

Value = TypeVar("Value")


def key(name: str) -> str:
    """A name that the store accepts.

    >>> key("wer [%]"), key("a//b/../c"), len(key("x" * 300))
    ('wer', 'a/b/c', 250)
    """
    parts = (
        re.sub(r"[^\w\-.: ]+", "_", part).strip("_ ") if re.search(r"[^\w\-.: ]", part) else part
        for part in name.split("/")
    )
    clean = "/".join(part for part in parts if part.strip(". ")) or "_"
    if len(clean) <= KEY_LENGTH:
        return clean
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
    return f"{clean[: KEY_LENGTH - 9]}-{digest[:8]}"


def keyed(values: Mapping[str, Value]) -> dict[str, Value]:
    """The same values under accepted names.

    Two names that become one raise `TrackingError`: one value would be lost.
    """
    found: dict[str, tuple[str, Value]] = {}
    for name, value in values.items():
        if (clean := key(name)) in found:
            raise TrackingError(
                f"{found[clean][0]!r} and {name!r} would both be recorded as {clean!r}; rename one"
            )
        found[clean] = (name, value)
    return {clean: value for clean, (_, value) in found.items()}


def flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested mappings as dotted keys.

    >>> flat({"fusion": {"name": "mean"}, "shifts": 1})
    {'fusion.name': 'mean', 'shifts': 1}
    """
    leaves: dict[str, object] = {}
    for name, value in values.items():
        leaves.update(
            flat(value, f"{prefix}{name}.")
            if isinstance(value, Mapping)
            else {f"{prefix}{name}": value}
        )
    return leaves


def text(value: object, length: int) -> str:
    """A value as text of at most `length` characters; a cut one ends in `…`.

    Passwords in addresses are masked: whoever sees the store reads it.

    >>> text(None, 9), text([True, "b"], 9), text("x" * 9, 3)
    ('null', '[true,b]', 'xx…')
    """
    # Of a name that is no Unicode, a store takes the bytes written out.
    written = masked(_written(value)).encode(errors="backslashreplace").decode()
    return written if len(written) <= length else f"{written[: length - 1]}…"


def measured(values: Mapping[str, float | None]) -> dict[str, float]:
    """The values that are not None.

    NaN and infinity raise `TrackingError`: a store would show them as 0 or 1.8e308, as if measured.
    """
    bad = [
        f"{name} is {value}"
        for name, value in values.items()
        if value is not None and not math.isfinite(value)
    ]
    if bad:
        raise TrackingError(
            f"not a measurement: {', '.join(bad)}; a metric that does not apply must give None"
        )
    return {name: float(value) for name, value in values.items() if value is not None}


def _written(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_written, value))}]"
    return str(value)


def user() -> str:
    """Who is at work, as the store's pages name it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in a container
        return str(os.getuid())
