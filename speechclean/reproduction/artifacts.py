"""The tables that a recorded run keeps, read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from speechclean.records.fingerprint import Mark

#: What is remembered of the sound of every file behind every stage.
Marks = dict[str, dict[str, Mark]]


def read_rows(path: Path | None) -> dict[str, dict[str, Any]]:
    """The rows of a metrics.json by their aliases; none where there is no such file."""
    if path is None or not path.is_file():
        return {}
    return {row["alias"]: row for row in json.loads(path.read_text())["rows"]}


def read_marks(path: Path | None) -> Marks:
    """The content of a marks.json, by alias and stage; nothing where there is no such file."""
    if path is None or not path.is_file():
        return {}
    return {
        alias: {stage: Mark.from_json(mark) for stage, mark in stages.items()}
        for alias, stages in json.loads(path.read_text()).items()
    }
