"""ledger.jsonl: a line for each file that came to an end, appended and synced, never rewritten.

An output is in its place before its line is written. So after a crash or a power cut a line may be
missing, and its file is cleaned again to the same bytes; a line without its file does not count
either (`plan` looks). A torn last line is skipped.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from .task import Entry

log = logging.getLogger(__name__)
NAME = "ledger.jsonl"


class Ledger:
    """What is known of a batch: `entries` by alias, the last line of each counting. One process at
    a time (`lock`).
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.entries: dict[str, Entry] = {}
        torn = self._read()
        self._file = open(self.path, "ab", buffering=0)
        if torn:
            self._file.write(b"\n")  # what comes next begins on a line of its own

    def append(self, entries: Sequence[Entry]) -> None:
        """Write lines; they are on the disk when this returns. Raises `OSError` where there is no
        room for them.
        """
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
        """Take in what is there; whether the last line has no end."""
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
