"""`speechclean sync`: upload the runs whose store was down."""

from __future__ import annotations

import sys
from argparse import SUPPRESS

from speechclean.records.tracking import pending, quieten
from speechclean.records.tracking.address import TrackingError

from .arguments import CommandLine
from .endings import fail, quiet_on_closed_pipe, safe_text

#: Exit status where a store is still down.
STORE_DOWN = 1


def command_line() -> CommandLine:
    """What the command takes."""
    parser = CommandLine(
        "speechclean sync",
        "[tracking.uri=URI] [pending=FILE]",
        "Upload the runs, and the rest of runs, that their store did not take, and complete them\n"
        "under their own ids. It can be interrupted and repeated.",
        [
            "speechclean sync",
            "speechclean sync tracking.uri=postgresql://user:password@host/name",
        ],
        "0 all uploaded, 1 a store is still down, 2 wrong usage",
    )
    # `speechclean-tracking sync`, as it was called once.
    parser.add_argument("action", nargs="?", choices=["sync"], default="sync", help=SUPPRESS)
    parser.option(
        "tracking.uri",
        "URI",
        "another store than the one that each was meant for; needed where its address holds a "
        "password",
    )
    parser.option("pending", "FILE", f"where they wait; default {pending.FILE}", pending.FILE)
    return parser


@quiet_on_closed_pipe
def main() -> None:
    """Exit status 0: all uploaded; 1: a store is down, what was uploaded stays so; 2: wrong."""
    quieten()
    given = command_line().parse(sys.argv[1:])
    done = 0
    try:
        for each in pending.sync(given.pending, given.tracking_uri):
            print(safe_text(f"{each.name}: uploaded to {each.store} as {each.run_id}"))
            done += 1
    except TrackingError as error:
        fail(error, STORE_DOWN)
    print(f"{done} run{'s' if done != 1 else ''} uploaded")


if __name__ == "__main__":
    main()
