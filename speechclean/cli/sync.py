"""`speechclean-tracking sync [tracking.uri=…] [pending=mlflow-pending.db]`: upload the runs whose
store was down.
"""

from __future__ import annotations

import sys

from speechclean.records.tracking import pending, quieten
from speechclean.records.tracking.address import TrackingError

USAGE = """\
usage: speechclean-tracking sync [tracking.uri=URI] [pending=mlflow-pending.db]

Uploads the runs, and the rest of runs, that their store did not take, and completes them under their own ids.

  tracking.uri=URI    another store than the one that each was meant for; needed where its address holds a password
  pending=FILE        where they wait

Exit status: 0 all uploaded, 1 a store is still down, 2 wrong usage. It can be interrupted and repeated."""


def main() -> None:
    """0: all uploaded; 1: a store is down, what was uploaded before it stays so; 2: wrong usage."""
    quieten()
    command, *rest = sys.argv[1:] or [""]
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(USAGE)
        return
    options = dict(argument.partition("=")[::2] for argument in rest)
    if command != "sync" or set(options) - {"tracking.uri", "pending"}:
        print(USAGE, file=sys.stderr)
        sys.exit(2)
    done = 0
    try:
        for each in pending.sync(options.get("pending", pending.FILE), options.get("tracking.uri")):
            print(f"{each.name}: uploaded to {each.store} as {each.run_id}")
            done += 1
    except TrackingError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    print(f"{done} run{'s' if done != 1 else ''} uploaded")


if __name__ == "__main__":
    main()
