"""`FileResult`: what became of one input file, as tables, ledgers and reports hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from speechclean.records.fingerprint import Fingerprint

#: How the columns of metrics and of stage timings end.
BEFORE, AFTER, TIMING = "_mixture", "_cleaned", "_s"
#: The columns that come first in a table of results, in this order.
HEAD = ("alias", "path", "status", "reason", "seconds", "sample_rate", "channels")


class Status(StrEnum):
    """Whether a file was cleaned."""

    CLEANED = "cleaned"
    FAILED = "failed"  # the reason lies in the file, the rest of the run goes on
    LOST = "lost"  # the output folder takes no more files; this one has to be done again


@dataclass(frozen=True)
class FileResult:
    """What became of one input file.

    alias, path: the input; `reason` says why it failed
    seconds, sample_rate, channels: its length, rate and number of channels; None if it failed
    measures: `<metric>_mixture` and `<metric>_cleaned` by name; None where a metric does not apply
    verdict: `improved`, `harmed: WER +0.12` and so on (`results.verdict`); None if it failed
    wet: share of cleaned speech in the output, 0 to 1, the rest being mixture; None where no guard
        could choose it (long files, files that another tool cleaned)
    selected: which of a config's fusions was kept, and why; None where there is no selection
    stage_seconds: seconds of computing by stage
    output: where the cleaned file belongs, relative to the run's folder; in no table
    fingerprints: of what each stage made and of the written file, by stage; in no table
    """

    alias: str
    path: str
    status: Status
    reason: str = ""
    seconds: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    measures: Mapping[str, float | None] = field(default_factory=dict)
    verdict: str | None = None
    wet: float | None = None
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    output: str = ""
    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict, repr=False)
    selected: str | None = None

    @classmethod
    def failure(cls, alias: str, path: str, reason: str, output: str = "") -> Self:
        """The result of a file that could not be cleaned."""
        return cls(alias, path, Status.FAILED, reason, output=output)

    @property
    def cleaned(self) -> bool:
        """Whether there is a cleaned file."""
        return self.status == Status.CLEANED

    @property
    def failed(self) -> bool:
        """Whether the file could not be cleaned."""
        return self.status == Status.FAILED

    def pair(self, metric: str) -> tuple[float, float] | None:
        """A metric's values before and after, if it has both."""
        before = self.measures.get(f"{metric}{BEFORE}")
        after = self.measures.get(f"{metric}{AFTER}")
        return None if before is None or after is None else (float(before), float(after))

    def row(self) -> dict[str, Any]:
        """The file's line in metrics.csv, metrics.json and a ledger: column -> value."""
        shape = {"seconds": self.seconds, "sample_rate": self.sample_rate}
        shape["channels"] = self.channels
        row: dict[str, Any] = {
            "alias": self.alias,
            "path": self.path,
            "status": str(self.status),
            "reason": self.reason,
        }
        row |= {name: value for name, value in shape.items() if value is not None}
        row |= self.measures
        decided = {"verdict": self.verdict, "wet": self.wet, "selected": self.selected}
        row |= {name: value for name, value in decided.items() if value is not None}
        return row | {f"{stage}{TIMING}": spent for stage, spent in self.stage_seconds.items()}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """A result from a recorded line; columns of unknown kinds are left out.

        Raises `KeyError` without alias or status, `ValueError` for an unknown status.
        """
        return cls(
            row["alias"],
            row.get("path", ""),
            Status(row["status"]),
            row.get("reason", ""),
            row.get("seconds"),
            row.get("sample_rate"),
            row.get("channels"),
            {name: value for name, value in row.items() if name.endswith((BEFORE, AFTER))},
            row.get("verdict"),
            row.get("wet"),
            {
                name.removesuffix(TIMING): spent
                for name, spent in row.items()
                if name.endswith(TIMING)
            },
            selected=row.get("selected"),
        )

    def numbers(self) -> dict[str, float]:
        """The columns of the file's line that hold numbers."""
        return {
            name: float(value)
            for name, value in self.row().items()
            if isinstance(value, int | float)
        }
