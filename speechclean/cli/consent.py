"""Questions before something is done that only the user can allow."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from speechclean.system.plain_text import one_line, printable

from .arguments import UsageError

#: A text of more lines is put into a file, and its first lines are shown.
SHOWN_LINES = 500


def ask(question: str, advice: str) -> None:
    """Return if the user says yes.

    Raises `UsageError` with the advice if not, or where there is nobody to ask: a program that
    runs this one has to say so beforehand.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        print(f"{one_line(question)} [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
        raise UsageError(f"refused, nothing was run: {advice}")
    raise UsageError(f"nothing was run, since there is nobody to ask: {advice}")


def show_text(title: str, text: str) -> None:
    """Print a text that others wrote, so that nothing of it is hidden or obeyed.

    What is too long for a terminal is left in a file, which is named.
    """
    lines = printable(text).replace("\r", "\\r").splitlines()
    print(f"{one_line(title)}, {len(lines)} lines:")
    for line in lines[:SHOWN_LINES]:
        print(f"  {line}")
    if len(lines) > SHOWN_LINES:
        whole = Path(tempfile.mkdtemp(prefix="speechclean-to-read-")) / "whole.txt"
        whole.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")
        print(f"  ... {len(lines) - SHOWN_LINES} more lines; all of them are in {whole}")
    sys.stdout.flush()
