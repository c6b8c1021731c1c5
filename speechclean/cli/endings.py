"""How a command ends: its messages, its exit status, and what of an error may be seen."""

from __future__ import annotations

import functools
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
#: What shells report for a process that a closed pipe ended: 128 + SIGPIPE.
CLOSED_PIPE_STATUS = 141
#: The status of an error that nobody foresaw, an "internal software error" among those of BSD.
#: Python's own would be 1, which says that some files failed.
UNCAUGHT_STATUS = 70
HELP = ("-h", "--help")

Main = ParamSpec("Main")


def quiet_on_closed_pipe(main: Callable[Main, None]) -> Callable[Main, None]:
    """An entry point whose output may be cut short: `… --help | head` ends without a traceback.

    A traceback that there is has no passwords in it, and a status of its own.
    """

    @functools.wraps(main)
    def wrapped(*args: Main.args, **kwargs: Main.kwargs) -> None:
        sys.excepthook = _print_traceback
        if logging.lastResort is not None:  # where no command has set up logging
            logging.lastResort.setFormatter(MaskingFormatter())
        try:
            try:
                main(*args, **kwargs)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes once more at its end; there must be something that takes it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0 if set(HELP) & set(sys.argv[1:]) else CLOSED_PIPE_STATUS)
        except Exception:  # noqa: BLE001 (that of the traceback)
            _print_traceback(*sys.exc_info())
            sys.exit(UNCAUGHT_STATUS)

    return wrapped


def safe_text(message: object) -> str:
    """A message as a terminal gets it: no password in an address, and no escapes of others."""
    return masked(printable(str(message)))


def fail(error: object, status: int = USAGE_STATUS) -> NoReturn:
    """End the program with an error's message, and the status of wrong usage or another one."""
    print(safe_text(error), file=sys.stderr)
    sys.exit(status)


def _print_traceback(*error: Any) -> None:
    """What Python prints of an error that nobody caught, and no more of it than may be seen."""
    print(safe_text("".join(traceback.format_exception(*error))), end="", file=sys.stderr)
