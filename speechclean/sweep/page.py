"""study.html: what a study came to, its best settings to be heard, and Optuna's plots.

It needs no other file and no network; the page itself is in `assets/report/`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speechclean.records.results.player import Clip, filled
from speechclean.records.run_folder import write_text
from speechclean.system.plain_text import printable

#: A plot's name, its title and its HTML.
Plot = tuple[str, str, str]


@dataclass(frozen=True)
class Listening:
    """Settings to be heard beside each other.

    called: what the page calls each sound, the mixture first; compared: the two of the blind test
    """

    clips: Sequence[Clip]
    called: Mapping[str, str]
    compared: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table as text: its heads, its rows, and the rows that stand out."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: Sequence[int] = field(default_factory=list)


def write_page(
    path: Path,
    title: str,
    lines: Sequence[str],
    tables: Mapping[str, Table],
    plots: Sequence[Plot],
    listening: Listening | None = None,
) -> Path:
    """Write the page.

    lines: sentences below the title; tables: by their headings, the best settings first
    """
    data: dict[str, Any] = {
        "name": printable(title),
        "title": printable(title),
        "lines": [printable(line) for line in lines],
        "tables": [
            {"title": name, "head": one.head, "rows": one.rows, "marked": one.marked}
            for name, one in tables.items()
        ],
        "seed": 0,
        "how": "",
        "clips": [],
        "sounds": [["mixture", "Mixture"]],
        "abx": ["mixture", "mixture"],
    }
    if listening:
        data |= {
            "how": "The stretch of each file from which most was taken out, as each setting "
            "cleans it. All are equally loud.",
            "clips": [one.data for one in listening.clips],
            "sounds": [list(one) for one in listening.called.items()],
            "abx": list(listening.compared),
        }
    drawn = "\n".join(
        f'<h3 id="{name}">{html.escape(heading)}</h3>\n<div class="plot">{part}</div>'
        for name, heading, part in plots
    )
    return write_text(
        filled("study.html", title, data, plots=drawn, plotly=_plotly() if plots else ""), path
    )


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    # Its own text names the hosts of its fonts and maps; nothing is fetched from them.
    return re.sub(r"</script", r"<\\/script", get_plotlyjs())
