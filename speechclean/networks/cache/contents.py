"""What a cache folder holds, read from the descriptions at the front of its entries."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .code import is_stale
from .disk import DiskCache
from .packing import TornError, described

#: The description of an entry lies within its first bytes.
HEAD_BYTES = 8192
#: An entry's path, its size and time of last use, its description.
Described = tuple[Path, os.stat_result, Mapping[str, Any]]


def descriptions(cache: DiskCache) -> Iterator[Described]:
    """Every entry with its size, the time of its last use and its description; {} if it is torn."""
    for path, stat in cache.entries():
        try:
            with path.open("rb") as file:
                yield path, stat, described(file.read(HEAD_BYTES))[0]
        except (OSError, TornError):
            yield path, stat, {}


def stale_lines(entries: Iterable[Described]) -> list[str]:
    """One line on entries that were made by other code than is installed; none if there are none.

    No run finds them again, until the code is what it was.
    """
    sizes = [stat.st_size for _, stat, head in entries if head and is_stale(head.get("key", {}))]
    if not sizes:
        return []
    noun = "entry is" if len(sizes) == 1 else "entries are"
    return [
        f"  {len(sizes)} {noun} of other code ({sum(sizes) / 1e6:.1f} MB): "
        "never found again; `clear` removes them"
    ]
