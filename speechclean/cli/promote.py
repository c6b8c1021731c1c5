"""`python -m speechclean.promote RUN name`: write a run's config as the preset
`experiment=name`.
"""

from __future__ import annotations

import sys

from speechclean.experiment.config.errors import PromotionError
from speechclean.experiment.config.preset import promote
from speechclean.records.tracking import Records, TrackingError, quieten

from .arguments import Arguments, UsageError, store_of

USAGE = """\
usage: python -m speechclean.promote RUN NAME [tracking.uri=URI] [overwrite=true]

RUN is the id of a run, the beginning of it, or its name; NAME becomes conf/experiment/NAME.yaml."""


def main() -> None:
    """0: written; 2: it cannot be, or wrong usage."""
    quieten()
    try:
        arguments = Arguments.parse(
            sys.argv[1:], {"tracking.uri": "", "overwrite": "false"}, (), USAGE
        )
        if len(arguments.rest) != 2:
            raise UsageError(USAGE)
        run, name = arguments.rest
        made = promote(
            Records(store_of(arguments.options)).get(run),
            name,
            arguments.options["overwrite"] == "true",
        )
    except (UsageError, TrackingError, PromotionError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(f"{made.path}: python -m speechclean experiment={name}")
    if made.new_keys:
        print(
            f"The code has got keys since, which stand at their defaults and change the signature: {', '.join(made.new_keys)}"
        )


if __name__ == "__main__":
    main()
