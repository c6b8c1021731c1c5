"""What goes to a worker and what comes back, both as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speechclean.stages.types import Track

#: What became of a file. The last is no end: its output could not be written, and it is to be done
#: again.
CLEANED, FAILED, LOST = "cleaned", "failed", "lost"


@dataclass(frozen=True)
class Task:
    """A file to be cleaned. `output` is below the batch's folder. `seconds` of sound are as its
    header says, 0 where it says nothing; `weight` is what of it lies in memory, in samples of all
    channels; `alone`: nothing else is at work beside it.
    """

    alias: str
    path: str
    output: str
    reference: str | None = None
    transcript: str | None = None
    relative: str | None = None
    seconds: float = 0.0
    weight: int = 0
    alone: bool = False

    def track(self) -> Track:
        """The input."""
        reference = Path(self.reference) if self.reference else None
        return Track(
            self.alias, Path(self.path), reference, self.transcript, relative=self.relative
        )


@dataclass(frozen=True)
class Input:
    """An input as it was when it was read: content and what a look at the folder tells of it."""

    sha256: str | None
    size: int | None
    mtime_ns: int | None


@dataclass(frozen=True)
class Entry:
    """What became of one file: a line of the ledger.

    `signature` is of the config that it was cleaned by, `weights` of the models' files. `row` is
    its line in metrics.csv,
    `took_s` the time from its reading to its writing, `finished` a date for people: nothing is
    decided by it. `mark` is the output's (`marks`), where marks are asked for.
    """

    alias: str
    path: str
    status: str
    reason: str
    output: str
    signature: str
    weights: str
    input: Input
    output_sha256: str | None = None
    output_size: int | None = None
    took_s: float = 0.0
    finished: str = ""
    row: Mapping[str, Any] = field(default_factory=dict)
    mark: Mapping[str, Any] | None = None

    def to_json(self) -> str:
        """One line, without its end. Numbers that are none become null."""
        return json.dumps(
            _finite(dataclasses.asdict(self)),
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, line: str) -> Entry:
        """Raises `ValueError` for anything but a whole entry."""
        content = json.loads(line)
        try:
            known = {item.name for item in dataclasses.fields(cls)}
            content = {key: value for key, value in content.items() if key in known}
            return cls(**{**content, "input": Input(**content["input"])})
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"no entry of a ledger ({error})") from error


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
