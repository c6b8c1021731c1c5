"""A share of a data set, for one of several machines.

Which file belongs to which share follows from a hash of its path below the data set's folder (for a
table: its path as written there). So shares never overlap and always make up the whole, files that
    are added later move none of the others, the folder may
be mounted anywhere, and nothing has to be read: by what is in the files, each machine would first
read all of them.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import TypeVar

from . import DatasetError

Item = TypeVar("Item")


def check(shard: str | None) -> None:
    """Raise `ValueError` for what names no share."""
    if shard is not None:
        _parsed(shard)


def share(items: Sequence[Item], key: Callable[[Item], str], shard: str | None) -> list[Item]:
    """Those of the items that belong to `shard`, `i/n` with i from 0 to n - 1; None is all.

    Raises `DatasetError` if none do.

    >>> both = [share("abcdef", str, f"{index}/2") for index in (0, 1)]
    >>> sorted(both[0] + both[1])
    ['a', 'b', 'c', 'd', 'e', 'f']
    """
    if shard is None:
        return list(items)
    index, count = _parsed(shard)
    kept = [item for item in items if _number(key(item)) % count == index]
    if not kept:
        raise DatasetError(
            f"dataset.shard={shard}: none of the {len(items)} files falls into it; use fewer shards"
        )
    return kept


def _number(key: str) -> int:
    # A disk of macOS spells é in two characters, others in one.
    spelt = unicodedata.normalize("NFC", key).encode(errors="surrogateescape")
    return int.from_bytes(hashlib.sha256(spelt).digest()[:8], "big")


def _parsed(shard: str) -> tuple[int, int]:
    if not (found := re.fullmatch(r"(\d+)/(\d+)", shard)) or int(found[1]) >= int(found[2]):
        raise ValueError(
            f"shard={shard!r} must be i/n with i from 0 to n - 1, e.g. dataset.shard=0/8"
        )
    return int(found[1]), int(found[2])
