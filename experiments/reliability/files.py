"""Make a folder as users have it.

Good files of many formats, and everything that can be wrong with the others.

    python -m experiments.reliability.files FOLDER [--count 500] [--seed 0]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.support import batch_inputs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    expected = batch_inputs.make(options.folder, options.count, options.seed)
    to_fail = sum(reason is not None for reason in expected.values())
    print(f"{len(expected)} files, {to_fail} of them to fail")


if __name__ == "__main__":
    main()
