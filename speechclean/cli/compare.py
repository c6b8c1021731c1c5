"""`speechclean compare RUN RUN ...`: what tells recorded runs apart."""

from __future__ import annotations

import sys

from rich.console import Console

from speechclean.records.tracking import Records, TrackingError, quieten
from speechclean.reproduction.comparison_report import show

from .arguments import CommandLine, store_of
from .endings import fail, quiet_on_closed_pipe


def command_line() -> CommandLine:
    """What the command takes."""
    parser = CommandLine(
        "speechclean compare",
        "RUN RUN ... [tracking.uri=URI]",
        "What tells recorded runs apart: configs, paired metrics, where the sound differs.\n"
        "The first run is what the others are held against.",
        [
            "speechclean compare 3f2a 77c0",
            "speechclean compare first second tracking.uri=http://tracking.example:5000",
        ],
        "0 compared, 2 a run is not there or the command is wrong",
    )
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="id of a run, the beginning of it, or its name"
    )
    parser.option("tracking.uri", "URI", "their store; default: the environment's, mlflow.db")
    return parser


@quiet_on_closed_pipe
def main() -> None:
    """Exit status 0: compared; 2: a run is not there, or wrong usage."""
    quieten()
    parser = command_line()
    given = parser.parse(sys.argv[1:])
    parser.reject_misspelled(given.runs)
    if len(given.runs) < 2:
        parser.error("name two runs or more")
    try:
        records = Records(store_of(given.tracking_uri))
        show([records.get(run) for run in given.runs], Console(highlight=False))
    except TrackingError as error:
        fail(error)


if __name__ == "__main__":
    main()
