"""`speechclean deliver TARGET FOLDER...`: batches in one archive."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from speechclean.experiment.batch import BatchError, folder_lock
from speechclean.experiment.batch.delivery import Delivered, Tar, Zip
from speechclean.experiment.batch.ledger import Ledger
from speechclean.records.run_folder import LEDGER

from .arguments import CommandLine, UsageError, positive_count
from .endings import fail, quiet_on_closed_pipe


def command_line() -> CommandLine:
    """What the command takes."""
    parser = CommandLine(
        "speechclean deliver",
        "TARGET FOLDER [FOLDER ...] [shard_mib=1000]",
        "Pack the cleaned files of one or several batches, with manifest and checksums.",
        [
            "speechclean deliver all.zip outputs/batches/*-of-4",
            "speechclean deliver shards/ outputs/batches/tts shard_mib=500",
        ],
        "0 packed, 2 it cannot be packed or the command is wrong",
    )
    parser.add_argument(
        "target", metavar="TARGET", type=Path, help="a name that ends in .zip, or a folder for tars"
    )
    parser.add_argument(
        "folders", metavar="FOLDER", type=Path, nargs="+", help="folders of batches"
    )
    parser.option("shard_mib", "N", "size of a tar shard; default 1000", 1000, positive_count)
    return parser


@quiet_on_closed_pipe
def main() -> None:
    """Exit status 0: packed; 2: it cannot be, or wrong usage."""
    parser = command_line()
    given = parser.parse(sys.argv[1:])
    parser.reject_misspelled(str(path) for path in given.folders if not path.exists())
    try:
        entries = [one for folder in given.folders for one in _entries(folder)]
        for output, number in Counter(entry.result.output for _, entry in entries).items():
            if number > 1:
                raise UsageError(f"{output} is in {number} of these folders; deliver them apart")
        delivery = (
            Zip(str(given.target))
            if given.target.suffix == ".zip"
            else Tar(str(given.target), given.shard_mib)
        )
        for path in delivery.pack(entries):
            print(path)
    except (UsageError, BatchError, OSError, ValueError) as error:
        fail(error)


def _entries(folder: Path) -> list[Delivered]:
    """What a batch's ledger says, unless another process is at work in its folder."""
    if not (folder / LEDGER).is_file():
        raise UsageError(f"{folder}: no batch's folder, it has no {LEDGER}")
    with folder_lock.held(folder), Ledger(folder) as ledger:
        return [(folder, entry) for entry in ledger.entries.values()]


if __name__ == "__main__":
    main()
