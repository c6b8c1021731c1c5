"""What has been recorded of the studies in `results/`, and tables of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from speechclean.records.results.summary_page import markdown

HERE = Path(__file__).parent
RESULTS = HERE / "results"
KNOBS = ("shifts", "overlap", "postprocess.beta_wiener.beta", "enhancement.wet")
SHORT = {"postprocess.beta_wiener.beta": "β", "enhancement.wet": "wet"}
GOAL = "si_sdr_improvement"


def table(head: Sequence[str], body: Sequence[Sequence[Any]]) -> str:
    """Markdown."""
    return "\n".join(markdown(head, body)) + "\n"


def rows_of(name: str) -> list[dict[str, str]]:
    """The recorded table of a study, [] if it was not run."""
    path = RESULTS / f"{name}.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def number(row: dict[str, str], key: str) -> float:
    return float(row.get(key) or 0.0)
