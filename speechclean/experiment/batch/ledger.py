"""ledger.jsonl: a line for each file that came to an end, appended and synced, never rewritten.

A cleaned file is in its place before its line is written. So after a crash or a power cut a line
may be missing, and the file is cleaned again, to the same bytes; a line whose file is missing does
not count (see `plan`). A torn last line is skipped.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from speechclean.records.run_folder import LEDGER

from .task import Entry

log = logging.getLogger(__name__)


class Ledger:
    """What is known of a batch: `entries` by alias, the last line of each counting.

    Only the process that holds the folder's lock may open it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LEDGER
        self.entries: dict[str, Entry] = {}
        torn = self._read()
        self._file = self.path.open("ab", buffering=0)
        if torn:
            self._file.write(b"\n")  # what comes next begins on a line of its own

    def append(self, entries: Sequence[Entry]) -> None:
        """Write lines and sync them to the disk. Raises `OSError` if there is no room."""
        if not entries:
            return
        written = "".join(entry.to_json() + "\n" for entry in entries).encode(
            errors="surrogateescape"
        )
        while written:
            written = written[self._file.write(written) or 0 :]
        os.fsync(self._file.fileno())
        self.entries |= {entry.alias: entry for entry in entries}

    def _read(self) -> bool:
        """Read what is there; whether the last line has no end."""
        if not self.path.is_file():
            return False
        content, skipped = self.path.read_bytes(), 0
        for line in content.split(b"\n"):
            try:
                if line.strip():
                    entry = Entry.from_json(line.decode(errors="surrogateescape"))
                    self.entries[entry.alias] = entry
            except ValueError:
                skipped += 1
        if skipped:
            log.warning(
                "%s: %d torn line%s skipped; what it told of is looked at again",
                self.path,
                skipped,
                "s"[: skipped > 1],
            )
        return not content.endswith(b"\n") and bool(content)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
