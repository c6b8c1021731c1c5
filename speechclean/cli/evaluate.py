"""Judge files that some tool has already cleaned: `python -m speechclean.evaluate`,
`speechclean-evaluate`.

    speechclean-evaluate mixtures/ cleaned/ [references/] [key=value ...]
    speechclean-evaluate set.csv [key=value ...]

It is a run like any other, with `experiment=evaluate`: what it leaves behind is the same, less the
cleaned files.
"""

from __future__ import annotations

import sys

from .arguments import HELP
from .run import main as run

FOLDERS = ("mixtures", "cleaned", "references")


def as_overrides(arguments: list[str]) -> list[str]:
    """A command line of `speechclean` from one of `speechclean-evaluate`.

    >>> as_overrides(["in/", "out/", "metrics=[lufs]"])
    ['experiment=evaluate', "dataset.mixtures='in/'", "dataset.cleaned='out/'", 'metrics=[lufs]']
    """
    places = [
        argument for argument in arguments if not argument.startswith("-") and "=" not in argument
    ]
    rest = [argument for argument in arguments if argument not in places]
    if len(places) > len(FOLDERS):
        raise SystemExit(
            f"at most three folders ({', '.join(FOLDERS)}), got {len(places)}: {' '.join(places)}"
        )
    keys = ("path",) if len(places) == 1 else FOLDERS
    return [
        "experiment=evaluate",
        *(f"dataset.{key}={_quoted(place)}" for key, place in zip(keys, places, strict=False)),
        *rest,
    ]


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def main() -> None:
    """The entry point."""
    if set(HELP) & set(sys.argv[1:]):
        print(__doc__)
        print(
            "The choices and keys are those of speechclean: `speechclean --help`, `speechclean experiment=evaluate --cfg job`."
        )
        return
    sys.argv[1:] = as_overrides(sys.argv[1:])
    run()


if __name__ == "__main__":
    main()
