"""Judge files that some tool has already cleaned.

`python -m speechclean.evaluate`, `speechclean evaluate`: a run like any other, with
`experiment=evaluate`. What it leaves behind is the same, less the cleaned files.
"""

from __future__ import annotations

import sys

from speechclean.experiment.config.command_line import typed

from .arguments import CommandLine
from .endings import quiet_on_closed_pipe
from .run import main as run

FOLDERS = ("mixtures", "cleaned", "references")


def command_line() -> CommandLine:
    """What the command takes; words that it does not know are Hydra's."""
    parser = CommandLine(
        "speechclean evaluate",
        "mixtures/ cleaned/ [references/] [key=value ...]\n"
        "       speechclean evaluate set.csv [key=value ...]",
        "Judge files that some tool has already cleaned: the same metrics, the same report.",
        [
            "speechclean evaluate mixtures/ cleaned/ references/",
            "speechclean evaluate set.csv metrics=[lufs,stoi]   "
            "# columns path,cleaned[,reference,transcript,alias,language]",
            "speechclean --help                                 # all choices and keys",
            "speechclean experiment=evaluate --cfg job          # what they come to",
        ],
        "0 all well, 1 some files failed, 2 it cannot run, 3 the tracking store was lost",
    )
    parser.add_argument(
        "places",
        nargs="*",
        metavar="PLACE",
        help=f"folders ({', '.join(FOLDERS)}), or one table of files",
    )
    parser.add_argument("--cfg", choices=["job", "hydra", "all"], help="show the config, and stop")
    return parser


def as_overrides(words: list[str]) -> list[str]:
    """A command line of `speechclean` from one of `speechclean evaluate`.

    >>> as_overrides(["in/", "out/", "metrics=[lufs]"])
    ['experiment=evaluate', "dataset.mixtures='in/'", "dataset.cleaned='out/'", 'metrics=[lufs]']
    """
    parser = command_line()
    changes = [word for word in words if "=" in word and not word.startswith("-")]
    given, for_hydra = parser.parse_known_intermixed_args(
        [word for word in words if word not in changes]
    )
    if len(given.places) > len(FOLDERS):
        parser.error(
            f"at most three folders ({', '.join(FOLDERS)}), got {len(given.places)}: "
            + " ".join(given.places)
        )
    keys = ("path",) if len(given.places) == 1 else FOLDERS
    return [
        "experiment=evaluate",
        *(f"dataset.{key}={typed(one)}" for key, one in zip(keys, given.places, strict=False)),
        *changes,
        *for_hydra,
        *(["--cfg", given.cfg] if given.cfg else []),
    ]


@quiet_on_closed_pipe
def main() -> None:
    """The entry point; the exit status is that of a run."""
    sys.argv[1:] = as_overrides(sys.argv[1:])
    run()


if __name__ == "__main__":
    main()
