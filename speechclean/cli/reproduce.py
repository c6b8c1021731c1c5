"""`speechclean reproduce run_id=RUN`: run a recorded run again, and compare the two."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from speechclean.records.run_folder import PATCH
from speechclean.records.tracking import Records, TrackingError, quieten
from speechclean.reproduction import equality, git_worktree, outcome, plan, report, rerun
from speechclean.reproduction.rerun_config import ReproductionError
from speechclean.system.paths import expanded

from .arguments import CommandLine, UsageError, positive_count, positive_number, store_of
from .consent import ask, show_text
from .endings import fail, quiet_on_closed_pipe

#: What `require` may be, and the worst verdict that it lets pass.
REQUIRED = {
    "bit-exact": equality.BIT_EXACT,
    "1lsb": equality.ONE_LSB,
    "tolerance": equality.TOLERABLE,
}


def command_line() -> CommandLine:
    """What the command takes; `key=value` words that it does not know change the run's config."""
    parser = CommandLine(
        "speechclean reproduce",
        "run_id=RUN [option=value ...] [--checkout[=FOLDER]] [--dry-run] [--yes] [key=value ...]",
        "Run a recorded run again, and say whether it came out the same.",
        [
            "speechclean reproduce run_id=3f2a --dry-run",
            "speechclean reproduce run_id=first inputs.root=/data weights.root=/models",
            "speechclean reproduce run_id=first require=bit-exact batch_size=8",
        ],
        "0 it holds, 1 it does not, 2 it cannot be run",
    )
    option = parser.option
    option("run_id", "RUN", "id of a run, the beginning of it, or its name")
    option("tracking.uri", "URI", "the store that holds it; default: the environment's, mlflow.db")
    option("hydra.run.dir", "DIR", "where the new files go; default outputs/<date>/<time>")
    option("inputs.root", "FOLDER", "where the inputs are now; they are told by their contents")
    option("weights.root", "FOLDER", "where weights of your own, or published ones, are now")
    option(
        "threads", "N", "of the CPU; default: OMP_NUM_THREADS, else then's", None, positive_count
    )
    option(
        "require",
        "VERDICT",
        "the worst that still holds: bit-exact, 1lsb or tolerance (default)",
        "tolerance",
        _required,
    )
    option(
        "tolerance_db",
        "DB",
        "how far below the sound a tolerable difference lies; default 60",
        60.0,
        positive_number,
    )
    option("python", "PATH", "interpreter of another environment to run in")
    parser.flag_with_value(
        "--checkout", "FOLDER", "run the exact code of then, in a git worktree (DIR/checkout)"
    )
    parser.flag("--dry-run", "say what differs, and stop")
    parser.flag("--yes", "take files and code that the record alone vouches for, without asking")
    parser.add_argument(
        "changes",
        nargs="*",
        metavar="key=value",
        help="change the run's config on purpose, e.g. batch_size=8",
    )
    return parser


@quiet_on_closed_pipe
def main() -> None:
    """Exit status 0: it holds; 1: it does not; 2: it cannot be run, or wrong usage."""
    quieten()
    console = Console(soft_wrap=True, highlight=False)
    parser = command_line()
    given = parser.parse(sys.argv[1:])
    if not given.run_id:
        parser.error("run_id=RUN is missing: which run?")
    try:
        holds = _reproduce(given, console)
    except (ReproductionError, TrackingError, git_worktree.CheckoutError, UsageError) as error:
        fail(error)
    sys.exit(0 if holds else 1)


def _reproduce(given: argparse.Namespace, console: Console) -> bool:
    """Whether the run came out as well as required."""
    folder = Path(given.hydra_run_dir or f"outputs/{datetime.now():%Y-%m-%d/%H-%M-%S}").absolute()
    records = Records(store_of(given.tracking_uri))
    planned = plan.make_plan(
        records,
        given.run_id,
        folder,
        given.changes,
        _folder(given.inputs_root),
        _folder(given.weights_root),
        given.threads,
    )
    code, differences = None, planned.differences
    if given.checkout is not None:
        code = Path(given.checkout or folder / "checkout").absolute()
        differences = _check_out(planned, code, console, given.yes)
    report.announce(planned, differences, console)
    if given.dry_run:
        return True
    if planned.inputs.unproven and not given.yes:
        ask(
            f"Clean these files of yours ({len(planned.inputs.unproven)}), and upload what comes "
            f"of them to {records.store.shown}?",
            "look at the lines `unproven` above: the record names files without saying what was in "
            "them, and what is read is uploaded; inputs.root=FOLDER says where the run's inputs "
            "are, and --yes takes these as they are",
        )
    again = rerun.run(planned, records, code, given.python)
    came_to = outcome.compare(planned, again, given.tolerance_db)
    outcome.tag_both_runs(planned, came_to, records, report.write(planned, came_to))
    report.show(planned, came_to, console)
    return equality.holds(came_to.verdict, REQUIRED[given.require])


def _check_out(planned: plan.Plan, code: Path, console: Console, yes: bool) -> list[str]:
    """Make `code` the worktree of then; what still differs."""

    def approve(patch: Path) -> None:
        show_text(f"{PATCH} of {planned.record.name}", patch.read_text(errors="replace"))
        if not yes:
            ask(
                "Run this code?",
                f"its {PATCH}, shown above, was written by whoever could write to the store and "
                "would run here; --yes runs it",
            )

    left = git_worktree.checkout(planned.record, planned.then, code, approve)
    differences = [*left, *(one for one in planned.differences if not one.startswith("code:"))]
    console.print(
        f"The code of then is in {escape(str(code))}; "
        f"remove it with: git worktree remove --force {escape(str(code))}"
    )
    if any(each.startswith(("package", "python")) for each in differences):
        console.print(
            "Its packages: pip install -r environment.txt in a fresh environment there, "
            "then python=PATH"
        )
    return differences


def _folder(text: str | None) -> Path | None:
    return expanded(text) if text else None


def _required(text: str) -> str:
    if text not in REQUIRED:
        raise ValueError(f"one of {', '.join(REQUIRED)}")
    return text


if __name__ == "__main__":
    main()
