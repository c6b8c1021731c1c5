"""Aliases: what an input's outputs are called.

Readable, unique, and safe as a file name wherever they land.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

#: Longest alias in bytes of UTF-8: file systems take 255, and suffixes such as `_residual.flac`
#: come on top.
MAX_BYTES = 180


def from_relative(path: PurePath) -> str:
    """The relative path without its extension, folders joined by `__`.

    >>> from_relative(PurePath("seed_42_run1/text_batched_generated.wav"))
    'seed_42_run1__text_batched_generated'
    """
    return safe("__".join(path.with_suffix("").parts))


def place(path: PurePath) -> str:
    """A relative path without its extension, every part of it safe.

    Parts that lead upwards or to a root are left out, and no folder is called like a cleaned file.

    >>> place(PurePath("run 1/../../etc/x.wav")), place(PurePath("/abs/y.wav"))
    ('run_1/etc/x', 'abs/y')
    """
    path = path.with_suffix("") if path.name else path
    parts = [part for part in path.parts if part not in ("..", ".", path.anchor)]
    names = [safe(part) for part in parts]
    names[:-1] = [f"{name}_" if name.lower().endswith(".wav") else name for name in names[:-1]]
    return "/".join(names) or "unnamed"


def safe(name: str) -> str:
    """The name without what a file system or a shell would trip over; letters of every script stay.

    >>> safe("../a b/c:d"), safe("..."), safe("音声 1")
    ('a_b_c_d', 'unnamed', '音声_1')
    """
    name = unicodedata.normalize("NFC", name)
    name = re.sub(r"[^\w.+=@,~-]+", "_", name, flags=re.UNICODE).strip("._-")
    if len(name.encode()) <= MAX_BYTES:
        return name or "unnamed"
    # Long names often differ at the end only: a hash of the whole keeps them apart.
    return name.encode()[: MAX_BYTES - 9].decode(errors="ignore") + "~" + _digest(name)


def unique(names: Sequence[str], origins: Sequence[str]) -> list[str]:
    """The names, those that occur more than once with a hash of their origin added.

    Names that differ in case only count as one name.

    The hash depends on the origin alone: adding a file never renames another one's outputs once
    they collide.
    """
    count = Counter(name.casefold() for name in names)
    told_apart = [
        name if count[name.casefold()] == 1 else f"{name}~{_digest(origin)}"
        for name, origin in zip(names, origins, strict=True)
    ]
    # The same file listed twice still needs two names, which nobody else may have, on purpose or
    # not.
    taken = {name.casefold() for name in told_apart}
    seen: Counter[str] = Counter()
    result = []
    for name in told_apart:
        key = name.casefold()
        seen[key] += 1
        own = name
        if seen[key] > 1:
            while (own := f"{name}~{seen[key]}").casefold() in taken:
                seen[key] += 1
            taken.add(own.casefold())
        result.append(own)
    return result


def _digest(text: str) -> str:
    """Eight characters of a hash; of a path whose bytes are no Unicode too."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
