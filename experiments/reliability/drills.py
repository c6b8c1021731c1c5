"""Everything that can go wrong with a batch, done to it on purpose.

    python -m experiments.reliability.drills FOLDER [--count 500] [--kills 30]
        [--only kills,disk_full] [--write]

FOLDER is scratch. Each drill ends in a row: what was done, what was found, whether that is all
right. `--write` puts the table into README.md. Disk full and read-only need root, for a small
tmpfs; the clock needs libfaketime; else they are left out, with the reason.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from experiments import texts
from experiments.reliability.site import LeftOut, Site

from . import environment_drills, process_drills

HERE = Path(__file__).parent
DRILLS = {
    drill.__name__: drill
    for drill in (
        process_drills.uninterrupted,
        process_drills.kills,
        process_drills.workers_killed,
        process_drills.ray,
        process_drills.two_at_once,
        process_drills.interrupted,
        environment_drills.disk_full,
        environment_drills.read_only,
        environment_drills.store_down,
        environment_drills.clock,
        environment_drills.memory,
        environment_drills.hostile,
    )
}


def drill(name: str, site: Site) -> dict[str, object]:
    """One drill's row."""
    start = time.monotonic()
    try:
        text, fine = DRILLS[name](site)
    except LeftOut as reason:
        text, fine = f"left out: {reason}", None
    words = (DRILLS[name].__doc__ or "").rstrip(".")
    return {
        "drill": name,
        "what": words,
        "found": text,
        "fine": fine,
        "seconds": round(time.monotonic() - start),
    }


def markdown(rows: list[dict[str, object]], site: Site) -> str:
    mark = {True: "yes", False: "**no**", None: "–"}
    head = (
        f"{site.count} files for the batch that nothing happens to, the kills and Ray; "
        f"{site.few} for the others."
    )
    lines = [f"| {row['what']} | {row['found']} | {mark[row['fine']]} |" for row in rows]  # type: ignore[index]
    return "\n".join(
        [head, "", "| what was done | what was found | as it should |", "|---|---|---|", *lines]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--few", type=int, default=60)
    parser.add_argument("--only", default=",".join(DRILLS))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    site = Site(options.folder.resolve(), options.count, options.kills, options.few)
    rows = []
    for name in options.only.split(","):
        try:
            rows.append(drill(name, site))
        finally:
            site.end()
        print(
            f"{rows[-1]['fine']!s:6} {name}: {rows[-1]['found']} ({rows[-1]['seconds']} s)",
            flush=True,
        )
    print("\n" + markdown(rows, site))
    if options.write:
        texts.record(HERE, "drills", rows, markdown(rows, site))
    sys.exit(any(row["fine"] is False for row in rows))


if __name__ == "__main__":
    main()
