"""Csv tables, of which no cell is a formula to the spreadsheet that opens it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

#: What spreadsheets take for the beginning of a formula, or of a command.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def defused(cell: Any) -> Any:
    """A cell whose text no spreadsheet computes: an apostrophe before it says that it is text.

    >>> defused("=HYPERLINK(1)"), defused("a=1"), defused(-1.5), restored(defused("=HYPERLINK(1)"))
    ("'=HYPERLINK(1)", 'a=1', -1.5, '=HYPERLINK(1)')
    """
    return f"'{cell}" if isinstance(cell, str) and _looks_like_a_formula(cell) else cell


def restored(cell: Any) -> Any:
    """The text of a cell as it was before `defused`."""
    quoted = isinstance(cell, str) and cell.startswith("'") and _looks_like_a_formula(cell)
    return cell[1:] if quoted else cell


def _looks_like_a_formula(text: str) -> bool:
    return text.lstrip("'").startswith(_FORMULA)


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A table with a header; None and what a row lacks are empty cells.

    Raises `ValueError` for a key that is no column.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: defused(cell) for key, cell in row.items()} for row in rows)
    return text.getvalue()


def csv_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table with a header."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{key: restored(cell) for key, cell in row.items()} for row in csv.DictReader(file)]
