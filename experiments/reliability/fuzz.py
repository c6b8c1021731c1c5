"""Whatever is read from outside, fed with damaged and crafted bytes for a while.

    python -m experiments.reliability.fuzz [--minutes 1] [--only sounds,cache] [--seed 0] [--write]

A reader has to give what is right or to refuse it in plain words, in bounded time: anything else is
a fault. Each fault is shown with the smallest input that brings it about, and kept in `fuzzed/` of
the working directory. Exits with 1 where there was one. `--write` puts the table into README.md.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

from experiments import texts
from experiments.reliability.fuzzing import kept, sounds, tables
from experiments.reliability.fuzzing.target import Target

HERE = Path(__file__).parent
TARGETS = {target.name: target for target in (*sounds.TARGETS, *tables.TARGETS, *kept.TARGETS)}
#: Inputs of one target before it is the next one's turn.
ROUND = 100
#: No input is worth more, in seconds.
SLOW_S = 10.0
KEPT = Path("fuzzed")


@dataclass
class Found:
    """What became of a target's inputs: how many there were, and the fault that ended it."""

    inputs: int = 0
    fault: str = ""
    smallest: bytes = b""


def round_of(target: Target, found: Found, seed: int, count: int = ROUND) -> None:
    """So many inputs of a target; the first fault, in its smallest form, is noted."""

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def each(content: bytes) -> None:
        found.inputs, found.smallest = found.inputs + 1, content
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            target.check(content, Path(folder))
        if (passed := time.monotonic() - start) > SLOW_S:
            raise TimeoutError(f"it took {passed:.0f} s")

    try:
        each()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        first = (str(error).splitlines() or [""])[0]
        found.fault = f"{type(error).__name__}: {first}"


def fuzz(targets: list[Target], minutes: float, seed: int) -> dict[str, Found]:
    """All targets in turn until the time is over; one with a fault drops out."""
    found = {target.name: Found() for target in targets}
    end, number = time.monotonic() + 60 * minutes, seed
    while time.monotonic() < end:
        for target in targets:
            if not found[target.name].fault and time.monotonic() < end:
                round_of(target, found[target.name], number)
        number += 1
        if all(each.fault for each in found.values()):
            break
    return found


def table(found: dict[str, Found]) -> str:
    """What was fed, how often, and what came of it."""
    lines = [
        f"| {TARGETS[name].what} | {each.inputs} | {each.fault or 'none'} |"
        for name, each in found.items()
    ]
    return "\n".join(["| what was read | inputs | faults |", "|---|---:|---|", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--only", default=",".join(TARGETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # each input is told of
    found = fuzz([TARGETS[name] for name in options.only.split(",")], options.minutes, options.seed)
    for name, each in found.items():
        if each.fault:
            KEPT.mkdir(exist_ok=True)
            (KEPT / name).write_bytes(each.smallest)
            print(f"{name}: {each.fault}\n  {KEPT / name}: {each.smallest[:400]!r}", flush=True)
    print(table(found))
    if options.write:
        rows = [
            {"target": name, "inputs": each.inputs, "fault": each.fault}
            for name, each in found.items()
        ]
        texts.record(HERE, "fuzz", rows, table(found))
    sys.exit(any(each.fault for each in found.values()))


if __name__ == "__main__":
    main()
