"""`speechclean promote RUN NAME`: a run's config as the preset `experiment=NAME`."""

from __future__ import annotations

import sys

from speechclean.experiment.config.errors import PromotionError
from speechclean.experiment.config.preset import promote
from speechclean.records.tracking import Records, TrackingError, quieten

from .arguments import CommandLine, store_of, yes_or_no
from .endings import fail, quiet_on_closed_pipe


def command_line() -> CommandLine:
    """What the command takes."""
    parser = CommandLine(
        "speechclean promote",
        "RUN NAME [tracking.uri=URI] [overwrite=true]",
        "Write the config of a recorded run, minimal, as conf/experiment/NAME.yaml.",
        [
            "speechclean promote 3f2a my_preset",
            "speechclean experiment=my_preset      # and use it",
        ],
        "0 written, 2 it cannot be written or the command is wrong",
    )
    parser.add_argument("run", metavar="RUN", help="id of a run, the beginning of it, or its name")
    parser.add_argument("name", metavar="NAME", help="of the preset")
    parser.option("tracking.uri", "URI", "store of the run; default: the environment's, mlflow.db")
    parser.option("overwrite", "true", "replace a preset of this name", False, yes_or_no)
    return parser


@quiet_on_closed_pipe
def main() -> None:
    """Exit status 0: written; 2: it cannot be, or wrong usage."""
    quieten()
    parser = command_line()
    given = parser.parse(sys.argv[1:])
    parser.reject_misspelled([given.run, given.name])
    try:
        record = Records(store_of(given.tracking_uri)).get(given.run)
        made = promote(record, given.name, given.overwrite)
    except (TrackingError, PromotionError) as error:
        fail(error)
    print(f"{made.path}: speechclean experiment={given.name}")
    if made.new_keys:
        print(
            "The code has got keys since, which stand at their defaults and change the "
            f"signature: {', '.join(made.new_keys)}"
        )


if __name__ == "__main__":
    main()
