"""Did it come out the same? A verdict on each file of two runs.

And the first stage at which they differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from speechclean.audio.sound_files import probe
from speechclean.audio.stream import LongAudio
from speechclean.records.fingerprint import Fingerprint

#: From the best to the worst; an overall verdict is the worst of its files'.
VERDICTS = ("bit-exact", "within 1 LSB", "within tolerance", "different")
BIT_EXACT, ONE_LSB, TOLERABLE, DIFFERENT = VERDICTS
#: Below this, relative to what passed a stage, a difference is the rounding of another order of
#: sums (measured: -135 dB).
ROUNDING_DB = -100.0
#: Bits of one LSB: those of 8-bit files are their own, and of finer formats too it is the step of
#: 16 bits, since what a network sums in float32 does not hold finer ones over another order of
#: sums.
_BITS = {"PCM_U8": 8, "PCM_S8": 8}
#: By which a number may move, relative to itself or to 1: where the samples are the same, and where
#: they are nearly so.
SAME_NUMBER, NEAR_NUMBER = 1e-6, 1e-2


@dataclass(frozen=True)
class Difference:
    """Of two sounds.

    lsb: the largest step, in LSB of 16 bits, or of 8-bit files' own
    share: of the samples that differ
    db: energy of the difference relative to the first sound, -inf for none
    """

    lsb: float
    share: float
    db: float


@dataclass(frozen=True)
class FileVerdict:
    """The verdict on one file.

    stage: the first one that differs
    stages: the difference behind every stage, in dB
    output: what differs in the written files; None where one of the two is not to be had
    moved: metrics that are others now, `{name: (then, now)}`
    note: what else there is to say
    """

    alias: str
    verdict: str
    stage: str | None = None
    stages: Mapping[str, float] = field(default_factory=dict)
    output: Difference | None = None
    moved: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    note: str = ""


def overall(files: Sequence[FileVerdict]) -> str:
    """The worst verdict of all.

    `different` for no file at all, since nothing was shown to be the same.
    """
    return max((file.verdict for file in files), key=VERDICTS.index, default=DIFFERENT)


def holds(verdict: str, worst: str) -> bool:
    """Whether a verdict is as good as another one, or better."""
    return VERDICTS.index(verdict) <= VERDICTS.index(worst)


def difference(then: Path, now: Path) -> Difference | None:
    """What differs between two sound files, in flat memory; None if they are not of one shape."""
    one, two = probe(then), probe(now)
    if (one.sample_rate, one.channels, one.samples) != (two.sample_rate, two.channels, two.samples):
        return None
    step = 2.0 ** (1 - min(_BITS.get(info.subtype, 16) for info in (one, two)))
    largest, unlike, energy, apart = 0.0, 0, 0.0, 0.0
    for first, second in zip_longest(LongAudio.of(then).chunks(), LongAudio.of(now).chunks()):
        gap = (first.double() - second.double()).abs()
        largest = max(largest, float(gap.max()))
        unlike += int(gap.count_nonzero())
        energy += float(first.double().square().sum())
        apart += float(gap.square().sum())
    share = unlike / max(1, one.samples * one.channels)
    # Relative to silence any difference is infinite; a step of the format stands in for it.
    level = 10 * math.log10(apart / max(energy, step**2)) if apart else -math.inf
    return Difference(largest / step, share, level)


def judge(
    alias: str,
    then: Mapping[str, Fingerprint],
    now: Mapping[str, Fingerprint],
    output: Difference | None,
    numbers: tuple[Mapping[str, Any], Mapping[str, Any]],
    same_machine: bool,
    tolerance_db: float,
) -> FileVerdict:
    """The verdict on one file that both runs cleaned.

    On the same machine the first stage whose hash is another one is named. On another machine every
    hash differs from the first sum on; there it is the first stage that differs by more than
    rounding.

    then, now: the file's fingerprints by stage
    output: the difference of the written files if both are at hand
    numbers: the metrics of both
    tolerance_db: how far below the sound a difference is tolerable
    """
    stages = {stage: now[stage].difference_db(then[stage]) for stage in then if stage in now}
    note = ""
    if output is not None:
        level, within_lsb = output.db, output.lsb <= 1.001
    elif "output" in stages:
        level, within_lsb = stages["output"], False
        note = (
            ""
            if level == -math.inf
            else "the cleaned file of then is not kept: estimated from its fingerprint"
        )
    else:
        return FileVerdict(
            alias,
            DIFFERENT,
            note="neither the cleaned file of then nor its fingerprint is kept, "
            "or its shape differs",
        )
    if level == -math.inf:
        verdict = BIT_EXACT
    elif within_lsb:
        verdict = ONE_LSB
    else:
        verdict = TOLERABLE if level <= -tolerance_db else DIFFERENT
    moved = changed_metrics(*numbers, SAME_NUMBER if verdict == BIT_EXACT else NEAR_NUMBER)
    stage = None if verdict == BIT_EXACT else first_unlike_stage(stages, same_machine)
    if verdict == BIT_EXACT and moved:  # the same sound measured otherwise
        return FileVerdict(
            alias,
            DIFFERENT,
            f"metrics.{next(iter(moved))}",
            stages,
            output,
            moved,
            "only its metrics differ",
        )
    return FileVerdict(alias, verdict, stage, stages, output, moved, note)


def first_unlike_stage(stages: Mapping[str, float], same_machine: bool) -> str | None:
    """The first stage at which two runs differ, given the difference behind each in dB.

    On another machine, rounding does not count; what was read is exact everywhere, so that any
    difference of the stage `input` counts.
    """
    unlike = [stage for stage, level in stages.items() if level > -math.inf]
    beyond = [stage for stage in unlike if stages[stage] > ROUNDING_DB or stage == "input"]
    return next(iter(unlike if same_machine or not beyond else beyond), None)


def changed_metrics(
    then: Mapping[str, Any], now: Mapping[str, Any], tolerance: float
) -> dict[str, tuple[Any, Any]]:
    """Metrics that differ by more than a tolerance, relative to themselves or to 1.

    And those that only one of the two runs has.
    """
    moved = {}
    for name in (key for key in then if key.endswith(("_mixture", "_cleaned"))):
        one, two = then[name], now.get(name)
        if one is None and two is None:
            continue
        if one is None or two is None or abs(one - two) > tolerance * max(1.0, abs(one)):
            moved[name] = (one, two)
    return moved
