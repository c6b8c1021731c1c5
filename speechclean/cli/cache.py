"""`speechclean-cache stats|clear [cache.dir=PATH]`: what is kept for reuse, and an end to it."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from pathlib import Path

from speechclean.networks.cache.disk import DiskCache, default_dir
from speechclean.networks.cache.packing import TornError, described

USAGE = """usage: speechclean-cache stats [cache.dir=PATH]
       speechclean-cache clear [cache.dir=PATH] [older_than_days=N]"""
#: The description of an entry lies within its first bytes.
HEAD_BYTES = 8192


def main() -> None:
    """0: done; 2: wrong usage."""
    command, *rest = sys.argv[1:] or [""]
    options = dict(argument.partition("=")[::2] for argument in rest)
    days = options.pop("older_than_days", None) if command == "clear" else None
    try:
        limit_s = float(days) * 86400 if days is not None else None
    except ValueError:
        command = ""
    if command not in ("stats", "clear") or set(options) - {"cache.dir"}:
        print(USAGE, file=sys.stderr)
        sys.exit(2)
    folder = Path(options["cache.dir"]).expanduser() if options.get("cache.dir") else default_dir()
    cache = DiskCache(folder, sys.maxsize)
    print("\n".join(stats(cache)) if command == "stats" else cleared(cache, limit_s))


def stats(cache: DiskCache) -> list[str]:
    """Lines on what is kept: by kind, how much, what it took to compute, when it was last used."""
    counts: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0.0, 0.0])
    torn, used = 0, []
    for path, stat in cache.entries():
        try:
            with open(path, "rb") as file:
                head, _ = described(file.read(HEAD_BYTES))
        except (OSError, TornError):
            torn += 1
            continue
        used.append(stat.st_mtime)
        row = counts[head["kind"]]
        for index, value in enumerate(
            (1, stat.st_size, head["cost"]["forwards"], head["cost"]["seconds"])
        ):
            row[index] += value
    lines = [f"{cache.folder}: {sum(row[1] for row in counts.values()) / 1e9:.3f} GB"]
    for kind, (entries, size, forwards, seconds) in sorted(counts.items()):
        lines.append(
            f"  {kind:<10} {entries:7.0f} entries {size / 1e6:10.1f} MB {forwards:8.0f} forwards {seconds:9.1f} s to compute"
        )
    if used:
        lines.append(f"  last used between {_date(min(used))} and {_date(max(used))}")
    return lines + ([f"  {torn} torn entries, which are computed again"] if torn else [])


def cleared(cache: DiskCache, older_than_s: float | None) -> str:
    """Remove entries: all, or those that nobody used for so long."""
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
