"""Tests that wait for threads and processes, again and again on a machine that has no time.

    python -m experiments.reliability.hunt FOLDER [--rounds 50] [--seed 0] [--busy 1] [--workers 2]
        [--limit 3600] [--write] [TEST ...]

A round is one pass over the tests (of batches, cache, cores and sweeps, unless others are named)
with sleeps at random moments (`jitter/`) and beside so many processes that do nothing but count.
FOLDER keeps each round's output and a line in `rounds.jsonl`; a round that stands there is not done
again, so the same command goes on after a break. `--write` puts the table into README.md. Ends in 1
if any round failed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments import texts

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TESTS = (
    "tests/experiment/batch",
    "tests/integration/test_batch.py",
    "tests/networks/cache",
    "tests/sweep",
    "tests/system",
)
#: The end of pytest's output: what became of how many tests.
COUNTED = re.compile(r"(\d+) (passed|failed|errors?|skipped)\b")
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+(?: - .*)?)", re.MULTILINE)
#: How many of a round's failures are named as it ends.
NAMED = 3
#: How long one test may take, in seconds: what is slow is no matter here, but what never ends.
LIMIT_S = 1800.0


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Within it so many processes count as fast as they can."""
    # until its parent is gone, however that ends
    code = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"
    line = [sys.executable, "-c", code]
    made = [subprocess.Popen(line) for _ in range(count)]
    try:
        yield
    finally:
        for one in made:
            one.kill()
            one.wait()


def done(
    folder: Path, seed: int, tests: Sequence[str], workers: int, limit_s: float
) -> dict[str, Any]:
    """One round: what became of the tests, and how long it took."""
    log, scratch = folder / f"round-{seed}.log", folder / f"tmp-{seed}"
    scratch.mkdir(exist_ok=True)
    env = os.environ | {
        "JITTER_SEED": str(seed),
        "PYTHONPATH": f"{HERE / 'jitter'}:{ROOT}",
        "PYTEST_DEBUG_TEMPROOT": str(scratch),
    }
    line = [sys.executable, "-m", "pytest", "-m", "not slow", "-p", "no:cacheprovider", "-rfE"]
    line += ["-v", "-v", f"--timeout={LIMIT_S:g}"]
    line += [*(["-n", str(workers), "--dist", "loadfile"] if workers > 1 else []), *tests]
    start, load = time.monotonic(), os.getloadavg()[0]
    with log.open("w") as output:
        process = subprocess.Popen(line, cwd=ROOT, env=env, stdout=output, stderr=output)
        try:
            status: int | None = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = None
    said = log.read_text(errors="replace")
    counts = {name.rstrip("s"): int(number) for number, name in COUNTED.findall(said[-400:])}
    if status == 0:
        shutil.rmtree(scratch, ignore_errors=True)
    return {
        "seed": seed,
        "status": status,
        "seconds": round(time.monotonic() - start),
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "counts": counts,
        "failed": FAILED.findall(said),
    }


def markdown(rounds: Sequence[dict[str, Any]]) -> str:
    """What all rounds came to, and each test that failed in any of them."""
    whole = sum(one["status"] == 0 for one in rounds)
    cut = sum(one["status"] is None for one in rounds)
    tests = max(sum(one["counts"].values()) for one in rounds)
    hours = sum(one["seconds"] for one in rounds) / 3600
    text = f"{len(rounds)} rounds of {tests} tests, {hours:.1f} hours: {whole} without a failure"
    text += f", {cut} that did not end." if cut else "."
    failed = Counter(name.partition(" - ")[0] for one in rounds for name in one["failed"])
    if not failed:
        return text
    lines = [f"| `{name}` | {count} |" for name, count in failed.most_common()]
    return "\n".join([text, "", "| failed | rounds |", "|---|---:|", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("tests", nargs="*", default=TESTS)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    parser.add_argument("--busy", type=int, default=1, help="processes beside")
    parser.add_argument("--workers", type=int, default=2, help="tests at once")
    parser.add_argument("--limit", type=float, default=3600, help="seconds for a round")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    noted = folder / "rounds.jsonl"
    rounds = [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []
    known = {one["seed"] for one in rounds}
    for seed in range(options.seed, options.seed + options.rounds):
        if seed in known:
            continue
        with busy(options.busy):
            found = done(folder, seed, options.tests, options.workers, options.limit)
        rounds.append(found)
        with noted.open("a") as file:
            file.write(json.dumps(found) + "\n")
        names = "; ".join(found["failed"][:NAMED])
        print(
            f"{seed}: {found['status']} {found['counts']}, {found['seconds']} s {names}", flush=True
        )
    print("\n" + markdown(rounds))
    if options.write:
        texts.record(HERE, "hunt", rounds, markdown(rounds))
    sys.exit(any(one["status"] != 0 for one in rounds))


if __name__ == "__main__":
    main()
