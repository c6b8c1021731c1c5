"""Peak memory of the whole default pipeline on long files: flat, whatever their length.

    python -m experiments.speed.memory FOLDER [--minutes 10 60]

FOLDER is for the files that are made there (48 kHz stereo, 11 MB a minute) and for what the runs
leave. Every length is a run of `speechclean` in a process of its own. Writes `memory.json` and
`memory.md` into results/.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from experiments.speed.compare import RESULTS
from tests.support.peak_memory import run

from . import machine


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[10, 60])
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    before, rows = machine.describe(), []
    for minutes in options.minutes:
        rows.append(run(options.folder, minutes))
        print(rows[-1], flush=True)
    lines = ["| file, 48 kHz stereo | peak resident memory | time |", "|---|---:|---:|"]
    lines += [
        f"| {row['minutes']:g} min | {row['peak_rss_mb'] / 1024:.2f} GB | "
        f"{row['seconds'] / 60:.1f} min |"
        for row in rows
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "memory.json").write_text(
        json.dumps({"machine": before, "rows": rows}, indent=1) + "\n"
    )
    (RESULTS / "memory.md").write_text(machine.line(before) + "\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
