"""Command lines of the tools beside a run: `key=value` options and `--flags`, as Hydra's users type
them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HELP = ("-h", "--help")


class UsageError(ValueError):
    """A command line that makes no sense; the message says what would."""


@dataclass(frozen=True)
class Arguments:
    """A parsed command line: known `options`, `flags` with their value (`""` for none), and the
    `rest` as it was typed.
    """

    options: Mapping[str, str]
    flags: Mapping[str, str]
    rest: list[str]

    @classmethod
    def parse(
        cls, words: Sequence[str], defaults: Mapping[str, str], flags: Sequence[str], usage: str
    ) -> Arguments:
        """Raises `UsageError`; `--help` prints the usage and ends the program well.

        >>> Arguments.parse(["threads=2", "--dry-run", "wet=1"], {"threads": ""}, ["--dry-run"], "").rest
        ['wet=1']
        """
        options, given, rest = dict(defaults), {}, []
        for word in words:
            key, _, value = word.partition("=")
            if word in HELP:
                print(usage)
                raise SystemExit(0)
            if key in flags:
                given[key] = value
            elif word.startswith("-"):
                raise UsageError(f"{word}: there is no such option\n\n{usage}")
            elif key in defaults and "=" in word:
                options[key] = value
            else:
                rest.append(word)
        return cls(options, given, rest)

    def number(self, name: str) -> float | None:
        """An option that is a positive number; None where it is empty."""
        text = self.options[name]
        try:
            value = float(text) if text else None
        except ValueError as error:
            raise UsageError(f"{name}={text}: is no number") from error
        if value is not None and value <= 0:
            raise UsageError(f"{name}={text}: must be above 0")
        return value


def store_of(options: Mapping[str, str]) -> str | None:
    """The store that a tool means, as a run would: `tracking.uri`, else the environment's, else the
    folder's own.
    """
    return options.get("tracking.uri") or os.environ.get("MLFLOW_TRACKING_URI") or None
