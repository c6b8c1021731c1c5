"""Measured numbers in texts: a place between `<!-- NAME -->` and `<!-- end -->` is written by a command, never by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


def fill(path: Path, contents: Mapping[str, str]) -> None:
    """Write the marked places of a text anew; those whose name is not among the contents stay as they are."""

    def place(match: re.Match[str]) -> str:
        name = match.group(1)
        return f"<!-- {name} -->\n\n{contents[name].strip()}\n\n<!-- end -->" if name in contents else match.group(0)

    path.write_text(re.sub(r"<!-- (?!end)([\w.]+) -->.*?<!-- end -->", place, path.read_text(), flags=re.DOTALL))
