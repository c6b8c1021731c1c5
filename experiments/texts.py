"""Measured numbers in texts.

A place between `<!-- NAME -->` and `<!-- end -->` is written by a command, never by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def record(study: Path, name: str, result: Any, table: str) -> None:
    """Write down what a study has found.

    `results/<name>.json` in its folder, and the table in its README's place of that name.
    """
    results = study / "results"
    results.mkdir(exist_ok=True)
    (results / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    fill(study / "README.md", {name: table})


def fill(path: Path, contents: Mapping[str, str]) -> None:
    """Write the marked places of a text anew.

    Those whose name is not among the contents stay as they are.
    """

    def place(match: re.Match[str]) -> str:
        name = match.group(1)
        return (
            f"<!-- {name} -->\n\n{contents[name].strip()}\n\n<!-- end -->"
            if name in contents
            else match.group(0)
        )

    path.write_text(
        re.sub(r"<!-- (?!end)([\w.]+) -->.*?<!-- end -->", place, path.read_text(), flags=re.DOTALL)
    )
