"""Reading a csv or tsv table that people wrote: what is wrong with it is said with its line."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from speechclean.system.csv_tables import restored

from . import DatasetError

#: Separators of other kinds of tables.
_OTHERS = {";": "semicolons", "|": "bars"}


@dataclass(frozen=True)
class Row:
    """The cells of a row under the names of their columns, and the line where it begins.

    more: whether it has more cells than there are columns; of those that it lacks there are none
    """

    line: int
    cells: dict[str, str]
    more: bool


def read(table: Path) -> tuple[list[str], list[Row]]:
    """The columns, in lower case, and the rows. Raises `DatasetError` for what is no such table."""
    text = _text(table)
    header = next(iter(text.lstrip("\r\n").splitlines()), "")
    tabs = "\t" in header
    lines = _lines(text, "\t" if tabs else ",", table)
    _, names = next(lines, (1, []))
    columns = [name.strip().lower() for name in names]
    if len(columns) == 1 and not tabs:
        for sign, word in _OTHERS.items():
            if sign in header:
                raise DatasetError(
                    f"{table}: its cells are separated by {word}; save it with commas or tabs"
                )
    twice = [name for name, count in Counter(columns).items() if count > 1 and name]
    if twice:
        raise DatasetError(
            f"{table}: line 1: more than one column is called {' and '.join(map(repr, twice))}; "
            "name each once"
        )
    rows = [
        Row(line, dict(zip(columns, cells, strict=False)), len(cells) > len(columns))
        for line, cells in lines
    ]
    return columns, rows


def _text(table: Path) -> str:
    content = table.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise DatasetError(
            f"{table}: not a text table in UTF-8 (UTF-16, or no text at all); save it as UTF-8 csv"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DatasetError(
            f"{table}: line {line}: not a text table in UTF-8 ({error.reason}); "
            "save it as UTF-8 csv"
        ) from error


def _lines(text: str, separator: str, table: Path) -> Iterator[tuple[int, list[str]]]:
    """The line where each row begins, and its cells; empty lines are no rows."""
    # Strict: a quote that is opened and not closed would swallow the rest of the table.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DatasetError(f"{table}: line {line}: {_in_words(error)}") from error
        if cells:
            yield line, [restored(cell) for cell in cells]


def _in_words(error: csv.Error) -> str:
    said = str(error)
    if "field larger" in said:
        said = f"a cell of more than {csv.field_size_limit():,} characters"
    elif "unexpected end" in said:
        said = "a cell begins with a quote that is never closed"
    elif "expected after" in said:
        said = "text stands right behind a closing quote"
    return f'{said}; a cell that holds quotes is written "so: ""quoted"""'
