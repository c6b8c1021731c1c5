"""`speechclean ui`: a page to try it on, for one's own browser."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.process import set_up_process
from speechclean.experiment.try_out import Limits, TryOut
from speechclean.system.extras import MissingPackage, require
from speechclean.system.signals import signals_as_exit

from .arguments import CommandLine, positive_count, positive_number
from .endings import USAGE_STATUS, fail, quiet_on_closed_pipe, safe_text
from .run import STOPPED
from .ui_page import PRESETS, Page

LIMITS = Limits()
#: Gradio's own settings, and those of what it asks: nothing is told, and nobody is asked.
ENVIRONMENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "NO_PROXY": "*",  # a proxy would be asked for this machine's own addresses
    "no_proxy": "*",
}


def command_line() -> CommandLine:
    """What the command takes; words with `=` are keys of the config."""
    parser = CommandLine(
        "speechclean ui",
        "[--preset NAME] [--host ADDRESS] [--port N] [--max-mb N] [--max-minutes N] [key=value …]",
        "A page to try it on: drop files, hear mixture, cleaned and residual, download.\n"
        "Files stay on this machine, and are removed when the command ends.",
        [
            "speechclean ui",
            "speechclean ui --preset fast --port 8000",
            "speechclean ui --host 0.0.0.0 --max-mb 50 --max-minutes 5    for others too",
        ],
        "2 wrong usage or config, no Gradio, or a port that is taken; 130 stopped by Ctrl-C",
    )
    parser.valued_option(
        "--preset", "NAME", f"chosen at first: {', '.join(PRESETS)} (default: balanced)", "balanced"
    )
    parser.valued_option("--device", "DEVICE", "auto, cpu, cuda, cuda:1 (default: auto)", "auto")
    parser.valued_option(
        "--host", "ADDRESS", "that it listens on (default: 127.0.0.1)", "127.0.0.1"
    )
    parser.valued_option("--port", "N", "(default: 7860)", "7860")
    parser.valued_option(
        "--max-mb", "N", f"size of a file at most (default: {LIMITS.mb:g})", str(LIMITS.mb)
    )
    parser.valued_option(
        "--max-minutes",
        "N",
        f"its length at most (default: {LIMITS.minutes:g})",
        str(LIMITS.minutes),
    )
    parser.add_argument(
        "settings", nargs="*", metavar="key=value", help="as in `speechclean clean`"
    )
    return parser


@quiet_on_closed_pipe
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point; runs until it is stopped, and exits with the status."""
    given = command_line().parse(list(sys.argv[1:] if arguments is None else arguments))
    try:
        port, limits = _port(given.port), _limits(given)
        if wrong := [word for word in given.settings if "=" not in word]:
            raise ValueError(f"{wrong[0]}: is neither an option nor key=value")
        require("speechclean ui", "gradio")
        _check_free(given.host, port)
        with signals_as_exit(), _place() as folder:
            set_up_process()
            status = _serve(TryOut(limits, given.device, given.settings), given, port, folder)
    except (ConfigError, MissingPackage, ValueError) as error:
        fail(error, USAGE_STATUS)
    # Networks compute in threads that nothing can stop, and that Python would wait for.
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def _port(text: str) -> int:
    port = _of("--port", text, positive_count)
    if port > 65535:
        raise ValueError(f"--port {text}: 65535 is the highest")
    return int(port)


def _limits(given: argparse.Namespace) -> Limits:
    return Limits(
        _of("--max-mb", given.max_mb, positive_number),
        _of("--max-minutes", given.max_minutes, positive_number),
    )


def _of(option: str, text: str, convert: Callable[[str], float]) -> float:
    try:
        return convert(text)
    except ValueError as error:
        raise ValueError(f"{option} {text}: {error}") from None


def _check_free(host: str, port: int) -> None:
    """Raise `ValueError` where nothing can listen: before any network is loaded."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, port))
    except OSError as error:
        raise ValueError(
            f"{host}:{port}: cannot be listened on ({error}); choose another --port, or --host"
        ) from error


@contextmanager
def _place() -> Iterator[Path]:
    """A folder for all that this process leaves for a while: uploads, outputs, scratch."""
    with tempfile.TemporaryDirectory(prefix="speechclean-ui-", ignore_cleanup_errors=True) as made:
        before = tempfile.tempdir
        tempfile.tempdir = made
        os.environ.update(ENVIRONMENT | {"GRADIO_TEMP_DIR": made})
        try:
            yield Path(made)
        finally:
            tempfile.tempdir = before


def _serve(tried: TryOut, given: argparse.Namespace, port: int, folder: Path) -> int:
    """Serve the page until somebody stops it; the exit status."""
    page = Page(tried, folder, given.preset)
    try:
        cleaner = tried.cleaner(given.preset)
        address = page.launch(given.host, port)
        models = ", ".join(cleaner.models)
        print(safe_text(f"{given.preset} on {cleaner.device}: {models}; {address}"), flush=True)
        if given.host not in ("127.0.0.1", "localhost", "::1"):
            print("whoever reaches this address can use it: there is no password", file=sys.stderr)
        threading.Event().wait()
    except KeyboardInterrupt:
        return STOPPED
    except SystemExit as end:  # of a signal
        return int(str(end.code))
    finally:
        page.close()
    return 0
