"""How a command ends: its messages, its exit status, and what of an error may be seen."""

from __future__ import annotations

import functools
import io
import logging
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec

from speechclean.system.plain_text import printable
from speechclean.system.secrets import MaskingFormatter, masked

#: The status of a command line that makes no sense, argparse's own.
USAGE_STATUS = 2
#: The status of an error that nobody foresaw, an "internal software error" among those of BSD.
#: Python's own would be 1, which says that some files failed.
UNCAUGHT_STATUS = 70
HELP = ("-h", "--help")
#: Added to any command: the traceback of an error that nobody foresaw is shown.
DEBUG_OPTION, DEBUG = "--debug", "SPEECHCLEAN_DEBUG"

Main = ParamSpec("Main")


def quiet_on_closed_pipe(main: Callable[Main, None]) -> Callable[Main, None]:
    """An entry point that goes on, and ends as it would have, though nobody reads its output.

    What no terminal can show is written out. An error that nobody foresaw has a status of its own,
    and its traceback is shown where it is asked for.
    """

    @functools.wraps(main)
    def wrapped(*args: Main.args, **kwargs: Main.kwargs) -> None:
        sys.excepthook = print_uncaught
        if DEBUG_OPTION in sys.argv[1:]:
            sys.argv.remove(DEBUG_OPTION)
            os.environ[DEBUG] = "1"  # for the processes of this command, too
        sys.stdout, sys.stderr = _patient(sys.stdout), _patient(sys.stderr)
        if logging.lastResort is not None:  # where no command has set up logging
            logging.lastResort.setFormatter(MaskingFormatter())
        try:
            main(*args, **kwargs)
        except Exception:  # noqa: BLE001 (that nobody foresaw)
            print_uncaught(*sys.exc_info())
            sys.exit(UNCAUGHT_STATUS)
        finally:
            sys.stdout.flush()

    return wrapped


class _Unread(io.FileIO):
    """A stream of this process; once its reader is gone, what is written goes nowhere."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())  # what other libraries and processes write there too
            os.close(nowhere)
            return len(data)


def _patient(stream: Any) -> Any:
    """A standard stream that takes every character, whether or not somebody reads it."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    # There may be none, or a test's, or it may be patient already.
    if type(stream) is not io.TextIOWrapper or type(raw) is not io.FileIO:
        return stream
    stream.flush()
    patient: Any = _Unread(raw.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(
        patient if buffer is raw else io.BufferedWriter(patient),  # PYTHONUNBUFFERED
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def safe_text(message: object) -> str:
    """A message as a terminal gets it: no password in an address, and no escapes of others."""
    return masked(printable(str(message)))


def fail(error: object, status: int = USAGE_STATUS) -> NoReturn:
    """End the program with an error's message, and the status of wrong usage or another one."""
    print(safe_text(error), file=sys.stderr)
    sys.exit(status)


def print_uncaught(*error: Any) -> None:
    """What an error is that nobody caught; with `--debug` its traceback. No password is shown."""
    if DEBUG in os.environ:
        print(safe_text("".join(traceback.format_exception(*error))), end="", file=sys.stderr)
        return
    kind, value, _ = error
    said = "".join(traceback.format_exception_only(kind, value)).strip()
    advice = (
        f"Nobody foresaw this: please report it, with the traceback that {DEBUG_OPTION} shows "
        "when it is added to the command."
    )
    print(safe_text(f"{said}\n{advice}"), file=sys.stderr)
