"""Command lines of the tools beside a run: argparse, with options typed as Hydra's users type them.

`tracking.uri=URI`, `--tracking.uri=URI` and `--tracking.uri URI` mean the same. A command that is
wrong is explained on stderr and ends with status 2; `--help` fits on one screen.
"""

from __future__ import annotations

import argparse
import difflib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from .endings import safe_text

Number = TypeVar("Number", int, float)


class UsageError(ValueError):
    """A command line that makes no sense; the message says what would."""


class KeyValue(argparse.Action):
    """An option that is typed as `key=value`; an empty value leaves the default as it is."""

    def __init__(
        self, *args: Any, convert: Callable[[str], Any] | None = None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._convert = convert or str

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,  # noqa: ARG002 (argparse hands it over)
    ) -> None:
        """Store the converted value; whatever `convert` refuses ends the program."""
        if not values:
            return
        try:
            setattr(namespace, self.dest, self._convert(values))
        except ValueError as error:
            parser.error(f"{self.option_strings[0].removeprefix('--')}={values}: {error}")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Shows options as they are typed: `key=VALUE`, `--flag[=VALUE]`."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=22, width=100)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, KeyValue):
            return f"{action.option_strings[0].removeprefix('--')}={action.metavar}"
        if action.nargs == "?" and action.option_strings:
            return f"{action.option_strings[0]}[={action.metavar}]"
        return super()._format_action_invocation(action)


class CommandLine(argparse.ArgumentParser):
    """The parser of one tool.

    usage: the first line of the help; examples: command lines with what each does; statuses: what
    the exit status tells, in words.
    """

    def __init__(
        self, command: str, usage: str, description: str, examples: Sequence[str], statuses: str
    ) -> None:
        epilog = "\n".join(["examples:", *(f"  {line}" for line in examples)])
        super().__init__(
            prog=command,
            usage=f"{command} {usage}",
            description=description,
            epilog=f"{epilog}\n\nExit status: {statuses}.",
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
        )
        self._keys: list[str] = []
        self._flags: list[str] = []
        self._valued_flags: list[str] = []

    def option(
        self,
        key: str,
        metavar: str,
        text: str,
        default: Any = None,
        convert: Callable[[str], Any] | None = None,
    ) -> None:
        """An option `key=METAVAR`; it is found in the namespace with `_` in place of dots."""
        self._keys.append(key)
        self.add_argument(
            f"--{key}",
            dest=key.replace(".", "_"),
            metavar=metavar,
            help=text,
            default=default,
            action=KeyValue,
            convert=convert,
        )

    def valued_option(self, name: str, metavar: str, text: str, default: Any = None) -> None:
        """An option `--name METAVAR`, which is not typed as `key=value`."""
        self._flags.append(name)
        self.add_argument(name, metavar=metavar, help=text, default=default)

    def flag(self, name: str, text: str) -> None:
        """A `--flag`."""
        self._flags.append(name)
        self.add_argument(name, help=text, action="store_true")

    def flag_with_value(self, name: str, metavar: str, text: str) -> None:
        """A flag `--flag[=METAVAR]`: None where it is missing, "" where it has no value."""
        self._valued_flags.append(name)
        self.add_argument(name, nargs="?", metavar=metavar, help=text)

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """The options and positional words. Ends the program where they make no sense.

        A positional word may hold `=`, unless it is all but the name of an option.
        """
        typed = [self._as_argparse_wants(word) for word in words]
        known = set(self._option_string_actions)
        short = tuple(option for option in known if len(option) == 2)  # its value may stand beside
        for word in typed:
            begun = word.startswith("-") and word != "-" and not word.startswith(short)
            if begun and word.partition("=")[0] not in known:
                self.error(self._unknown(word))
        namespace, unknown = self.parse_known_intermixed_args(typed)
        if unknown:
            self.error(self._unknown(unknown[0]))
        return namespace

    def checked(self, name: str, value: str, convert: Callable[[str], Number]) -> Number:
        """The value of an option, converted; what `convert` refuses ends the program."""
        try:
            return convert(value)
        except ValueError as error:
            self.error(f"{name} {value}: {error}")

    def reject_misspelled(self, words: Iterable[str]) -> None:
        """End the program where a positional word looks like an option that is misspelled."""
        for word in words:
            key, equals, _ = word.partition("=")
            if equals and difflib.get_close_matches(key, self._keys, 1, 0.75):
                self.error(self._unknown(word))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Whatever argparse prints; its errors repeat what was typed."""
        super()._print_message(safe_text(message), file)

    def _as_argparse_wants(self, word: str) -> str:
        key, equals, _ = word.partition("=")
        if equals and key in self._keys:
            return f"--{word}"
        # Bare, it would take the next word for its value.
        return f"{word}=" if word in self._valued_flags else word

    def _unknown(self, word: str) -> str:
        key = word.partition("=")[0]
        named = [*self._keys, *self._flags, *self._valued_flags]
        near = difflib.get_close_matches(key, named, 1, 0.6) or difflib.get_close_matches(
            f"--{key}", named, 1, 0.6
        )
        hint = f"did you mean {near[0]}?" if near else "--help lists what there is"
        return f"{word}: there is no such option; {hint}"


def positive_number(text: str) -> float:
    """Raises `ValueError` for what is no number above 0."""
    value = _number(text)
    if not value > 0:
        raise ValueError("must be above 0")
    return value


def positive_count(text: str) -> int:
    """Raises `ValueError` for what is no whole number above 0."""
    if not text.isdecimal():
        raise ValueError("is no whole number")
    return int(positive_number(text))


def days(text: str) -> float:
    """Raises `ValueError` for what is no number of days, 0 or more."""
    value = _number(text)
    if not value >= 0:
        raise ValueError("must be 0 or more")
    return value


def yes_or_no(text: str) -> bool:
    """Raises `ValueError` for what is neither `true` nor `false`."""
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("is no number") from None


def store_of(uri: str | None) -> str | None:
    """The store that a tool means, as a run would.

    `tracking.uri` where it is given, else MLFLOW_TRACKING_URI; None: the folder's own.
    """
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or None
