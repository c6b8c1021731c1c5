"""What tells two or more recorded runs apart.

Configs, metrics file by file with a paired test, and where the sound differs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from speechclean.audio.sound_files import probe
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import AudioError
from speechclean.records import kept_files, run_folder
from speechclean.records.class_names import with_current
from speechclean.records.key_names import current_key
from speechclean.records.tracking import Record
from speechclean.records.tracking.labels import flat

from . import equality

#: Parts of a config that every run has its own of.
OWN = ("name", "output.dir", "tracking.")


@dataclass(frozen=True)
class PairedMetric:
    """One metric of the cleaned sound in two runs, over the files that both measured.

    Means of either, the mean of the differences (second - first) with its 95 % confidence interval
    (Student's t), p of Wilcoxon's signed-rank test (None for fewer than six unlike pairs, where it
    could not fall below 0.05), and how often the second is higher and lower.
    """

    metric: str
    files: int
    means: tuple[float, float]
    change: float
    interval: tuple[float, float]
    p: float | None
    higher: int
    lower: int


@dataclass(frozen=True)
class SoundDifference:
    """Where the sound of one file differs between two runs.

    stage: the first one that differs, None for none
    db: energy of the difference of the outputs relative to the first run's, -inf for none; None
        where one of the outputs is not kept
    loudest_s: the second of the file where the difference is largest
    """

    alias: str
    stage: str | None
    db: float | None
    loudest_s: float | None


def config_differences(records: Sequence[Record]) -> dict[str, list[Any]]:
    """The keys whose values are not the same in all runs, and the values.

    None stands where a run has no such key. Names of classes and keys are those of today, so that
    one that has another name now is no difference.
    """
    flattened = [flat(_config(record)) for record in records]
    keys = dict.fromkeys(key for each in flattened for key in each if not key.startswith(OWN))
    listed = {key: [each.get(key) for each in flattened] for key in keys}
    return {
        key: values for key, values in listed.items() if any(value != values[0] for value in values)
    }


def metric_changes(first: Record, second: Record) -> list[PairedMetric]:
    """Each metric that both runs have, paired by the files' aliases."""
    one, two = kept_files.results(first), kept_files.results(second)
    measured = (key for result in one.values() for key in result.measures)
    names = dict.fromkeys(key for key in measured if key.endswith("_cleaned"))
    found = []
    for name in names:
        pairs = [
            (one[alias].measures.get(name), two[alias].measures.get(name))
            for alias in one
            if alias in two
        ]
        numbers = [(float(a), float(b)) for a, b in pairs if a is not None and b is not None]
        if numbers:
            found.append(paired(name.removesuffix("_cleaned"), numbers))
    return found


def paired(metric: str, pairs: Sequence[tuple[float, float]]) -> PairedMetric:
    """Statistics of pairs of numbers.

    Wilcoxon, "Individual comparisons by ranking methods" (Biometrics Bulletin, 1945).
    """
    from scipy import stats

    changes = [two - one for one, two in pairs]
    count, change = len(changes), math.fsum(changes) / len(changes)
    half = math.nan
    if count > 1:
        error = math.sqrt(math.fsum((each - change) ** 2 for each in changes) / (count - 1) / count)
        half = float(stats.t.ppf(0.975, count - 1)) * error
    unlike = [each for each in changes if each]
    return PairedMetric(
        metric,
        files=count,
        means=(
            math.fsum(one for one, _ in pairs) / count,
            math.fsum(two for _, two in pairs) / count,
        ),
        change=change,
        interval=(change - half, change + half),
        p=float(stats.wilcoxon(unlike).pvalue) if len(unlike) >= 6 else None,
        higher=sum(each > 0 for each in changes),
        lower=sum(each < 0 for each in changes),
    )


def sound_differences(first: Record, second: Record) -> Iterator[SoundDifference]:
    """File by file, where the sound of two runs differs; files of which too little is kept, not."""
    fingerprints = [kept_files.fingerprints(run) for run in (first, second)]
    outputs = [run_folder.output_of(kept_files.config(run)) for run in (first, second)]
    in_second = kept_files.results(second)
    for alias in kept_files.results(first):
        before, after = (each.get(alias, {}) for each in fingerprints)
        stages = {
            stage: after[stage].difference_db(fingerprint)
            for stage, fingerprint in before.items()
            if stage in after
        }
        only_one = [stage for stage in [*before, *after] if (stage in before) != (stage in after)]
        stage = equality.first_unlike_stage(stages, same_machine=False)
        stage = stage or next(iter(only_one), None)
        level, where = stages.get("output"), None
        files = [
            record.artifact(run_folder.cleaned_file(alias, output))
            for record, output in zip((first, second), outputs, strict=True)
        ]
        if files[0] and files[1] and level != -math.inf:
            level, where = _loudest(files[0], files[1])
        if alias in in_second or files[1]:
            yield SoundDifference(alias, None if level == -math.inf else stage, level, where)


def count_by_stage(differences: Sequence[SoundDifference]) -> Counter[str]:
    """How many files differ first at which stage."""
    return Counter(each.stage or "nowhere" for each in differences)


def _loudest(first: Path, second: Path) -> tuple[float | None, float | None]:
    """The difference of two sound files, and where it is largest.

    Its energy in dB relative to the first file, and the second of the file that holds most of it;
    None where there is no such number.
    """
    try:
        info = probe(first)
        whole = equality.difference(first, second)
        if whole is None or not info.samples:
            return None, None
        chunks = zip(LongAudio.of(first).chunks(), LongAudio.of(second).chunks(), strict=True)
        energy = torch.cat([(one.double() - two.double()).square().sum(0) for one, two in chunks])
    except AudioError:
        return None, None
    if whole.db == -math.inf:
        return whole.db, None
    seconds = [float(part.sum()) for part in energy.split(info.sample_rate)]
    return whole.db, float(max(range(len(seconds)), key=seconds.__getitem__))


def _config(record: Record) -> Mapping[str, Any]:
    kept = record.artifact(run_folder.CONFIG) is not None
    if kept:
        return with_current(kept_files.config(record))
    return {current_key(key): value for key, value in record.params.items()}
