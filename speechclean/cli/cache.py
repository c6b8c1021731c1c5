"""`speechclean cache stats|clear`: what is kept for reuse, and an end to it."""

from __future__ import annotations

import sys
import time
from collections import defaultdict

from speechclean.networks.cache.contents import descriptions, stale_lines
from speechclean.networks.cache.disk import DiskCache, default_dir
from speechclean.system.paths import expanded

from .arguments import CommandLine, days
from .endings import quiet_on_closed_pipe

DAY_S = 86400


def command_line() -> CommandLine:
    """What the command takes."""
    parser = CommandLine(
        "speechclean cache",
        "stats|clear [cache.dir=PATH] [older_than_days=N]",
        "What is kept of the networks' answers, and an end to it.",
        [
            "speechclean cache stats",
            "speechclean cache clear older_than_days=7       # what nobody used for a week",
        ],
        "0 done, 2 wrong usage",
    )
    parser.add_argument("action", choices=["stats", "clear"], help="list it, or remove it")
    parser.option(
        "cache.dir", "PATH", "the folder; default: SPEECHCLEAN_CACHE, else ~/.cache/speechclean"
    )
    parser.option(
        "older_than_days", "N", "with clear: only what was not used for so long", None, days
    )
    return parser


@quiet_on_closed_pipe
def main() -> None:
    """Exit status 0: done; 2: wrong usage."""
    parser = command_line()
    given = parser.parse(sys.argv[1:])
    if given.action == "stats" and given.older_than_days is not None:
        parser.error("older_than_days is for clear")
    folder = expanded(given.cache_dir) if given.cache_dir else default_dir()
    cache = DiskCache(folder, sys.maxsize)
    if given.action == "stats":
        print("\n".join(stats(cache)))
    else:
        unused_s = None if given.older_than_days is None else given.older_than_days * DAY_S
        print(cleared(cache, unused_s))


def stats(cache: DiskCache) -> list[str]:
    """Lines on what is kept: by kind, its size, its cost, and when it was last used."""
    counts: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0.0, 0.0])
    torn, used = 0, []
    entries = list(descriptions(cache))
    for _, stat, head in entries:
        if not head:
            torn += 1
            continue
        used.append(stat.st_mtime)
        row = counts[head["kind"]]
        for index, value in enumerate(
            (1, stat.st_size, head["cost"]["forwards"], head["cost"]["seconds"])
        ):
            row[index] += value
    lines = [f"{cache.folder}: {sum(row[1] for row in counts.values()) / 1e9:.3f} GB"]
    for kind, (number, size, forwards, seconds) in sorted(counts.items()):
        lines.append(
            f"  {kind:<10} {number:7.0f} entries {size / 1e6:10.1f} MB {forwards:8.0f} forwards "
            f"{seconds:9.1f} s to compute"
        )
    if used:
        lines.append(f"  last used between {_date(min(used))} and {_date(max(used))}")
    lines += [f"  {torn} torn entries, which are computed again"] if torn else []
    return lines + stale_lines(entries)


def cleared(cache: DiskCache, older_than_s: float | None) -> str:
    """Remove entries: all, or those that nobody used for so long. A line that says how many."""
    count = size = 0
    for path, stat in list(cache.entries()):
        if older_than_s is None or time.time() - stat.st_mtime > older_than_s:
            path.unlink(missing_ok=True)
            count, size = count + 1, size + stat.st_size
    return f"{cache.folder}: {count} entries removed, {size / 1e6:.1f} MB"


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


if __name__ == "__main__":
    main()
