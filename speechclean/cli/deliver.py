"""`python -m speechclean.batches.deliver TARGET FOLDER [FOLDER ...]`: the files of one or several
batches in one archive.

TARGET: a name that ends in .zip, or a folder for tar shards (shard_mib=1000)
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from speechclean.experiment.batch import BatchError, folder_lock
from speechclean.experiment.batch.delivery import Delivered, Tar, Zip
from speechclean.experiment.batch.ledger import Ledger
from speechclean.records.run_folder import LEDGER

from .arguments import Arguments, UsageError


def main() -> None:
    try:
        arguments = Arguments.parse(sys.argv[1:], {"shard_mib": "1000"}, [], __doc__ or "")
        if len(arguments.rest) < 2:
            raise UsageError(__doc__ or "")
        target, *folders = map(Path, arguments.rest)
        entries = [one for folder in folders for one in _entries(folder)]
        for output, number in Counter(entry.result.output for _, entry in entries).items():
            if number > 1:
                raise UsageError(f"{output} is in {number} of these folders; deliver them apart")
        delivery = (
            Zip(str(target))
            if target.suffix == ".zip"
            else Tar(str(target), int(arguments.number("shard_mib") or 0))
        )
        for path in delivery.pack(entries):
            print(path)
    except (UsageError, BatchError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _entries(folder: Path) -> list[Delivered]:
    """What a batch's ledger says, if nobody is at work there."""
    if not (folder / LEDGER).is_file():
        raise UsageError(f"{folder}: no batch's folder, it has no {LEDGER}")
    with folder_lock.held(folder), Ledger(folder) as ledger:
        return [(folder, entry) for entry in ledger.entries.values()]


if __name__ == "__main__":
    main()
