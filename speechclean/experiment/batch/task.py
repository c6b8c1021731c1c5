"""What is sent to a worker and what comes back, both as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from speechclean.records.file_result import FileResult, Status
from speechclean.records.fingerprint import OUTPUT_STAGE, Fingerprint
from speechclean.records.forms import Each, Maybe, require
from speechclean.stages.types import Track

#: What a line of the ledger says; anybody may have written it.
_LINE = {
    **dict.fromkeys(("alias", "path", "status", "reason", "output", "signature", "weights"), str),
    "input": {"sha256": Maybe(str), "size": Maybe(int), "mtime_ns": Maybe(int)},
    "output_sha256": Maybe(str),
    "output_size": Maybe(int),
    "output_mtime_ns": Maybe(int),
    "took_s": Maybe(float),
    "finished": Maybe(str),
    "row": Maybe(
        {
            "seconds": Maybe(float),
            "wet": Maybe(float),
            "verdict": Maybe(str),
            "selected": Maybe(str),
        }
    ),
}


@dataclass(frozen=True)
class Task:
    """A file to be cleaned.

    output: where the cleaned file belongs, relative to the batch's folder
    seconds: its length by its header; 0 if that cannot be read
    weight: its length in memory, in samples of all channels
    alone: whether the worker cleans nothing else beside it
    language: the code of what is spoken, where it is known
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
    language: str | None = None

    def track(self) -> Track:
        """The input."""
        reference = Path(self.reference) if self.reference else None
        return Track(
            self.alias,
            Path(self.path),
            reference,
            self.transcript,
            relative=self.relative,
            language=self.language,
        )


@dataclass(frozen=True)
class Input:
    """An input file as it was when it was read: its contents, size and time of modification."""

    sha256: str | None
    size: int | None
    mtime_ns: int | None


@dataclass(frozen=True)
class Entry:
    """A line of the ledger: what became of one file, and what it was cleaned by.

    `signature` is of the config, `weights` of the contents of the models' files, `input` of the
    file that was read. `output_mtime_ns`, the output's time of modification, is None in lines of
    earlier versions. `took_s` is the time from reading it to writing its output, `finished` a
    date for people, by which nothing is decided.
    """

    result: FileResult
    signature: str
    weights: str
    input: Input
    output_sha256: str | None = None
    output_size: int | None = None
    output_mtime_ns: int | None = None
    took_s: float = 0.0
    finished: str = ""

    @property
    def alias(self) -> str:
        """The file's alias."""
        return self.result.alias

    def to_json(self) -> str:
        """One line, without its end. Infinity and NaN become null."""
        fingerprint = self.result.fingerprints.get(OUTPUT_STAGE)
        content = {
            "alias": self.result.alias,
            "path": self.result.path,
            "status": str(self.result.status),
            "reason": self.result.reason,
            "output": self.result.output,
            "signature": self.signature,
            "weights": self.weights,
            "input": dataclasses.asdict(self.input),
            "output_sha256": self.output_sha256,
            "output_size": self.output_size,
            **({} if self.output_mtime_ns is None else {"output_mtime_ns": self.output_mtime_ns}),
            "took_s": self.took_s,
            "finished": self.finished,
            "row": self.result.row() if self.result.status != Status.LOST else {},
            "mark": fingerprint.to_json() if fingerprint else None,
        }
        return json.dumps(
            _finite(content), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )

    @classmethod
    def from_json(cls, line: str) -> Entry:
        """An entry from its line. Raises `ValueError` for anything but a whole one."""
        try:
            content = json.loads(line)
            require(content, _LINE, "a line of a ledger")
            head = {key: content[key] for key in ("alias", "path", "status", "reason")}
            fingerprint = content.get("mark")
            result = dataclasses.replace(
                FileResult.from_row({**(content.get("row") or {}), **head}),
                output=content["output"],
                fingerprints=(
                    {OUTPUT_STAGE: Fingerprint.from_json(fingerprint)} if fingerprint else {}
                ),
            )
            numbers: Any = {**result.measures, **result.stage_seconds}
            require(numbers, Each(Maybe(float)), "a line of a ledger")
            if not (result.alias.isprintable() and _is_inside(result.output)):
                raise ValueError("a line of a ledger: its alias or its output is no name")
            rest = ("output_sha256", "output_size", "output_mtime_ns", "took_s", "finished")
            return cls(
                result,
                content["signature"],
                content["weights"],
                Input(**content["input"]),
                **{key: content[key] for key in rest if key in content},
            )
        except (TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            raise ValueError(f"not an entry of a ledger ({error})") from error


def _is_inside(output: str) -> bool:
    """Whether a path leads from the batch's folder to something inside of it."""
    path = PurePosixPath(output)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in output


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
