"""What a run came to, in five rows of plain words, each from the best metric that was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from speechclean.records.file_result import FileResult

from .summary import COUNTS, NEEDS, Metric, amount, failures, improvement

#: The columns.
HEAD = ("", "mixture", "cleaned", "change", "measured by")
#: Each row's metrics, the best first, and what their numbers are of.
ROWS: dict[str, dict[str, str]] = {
    "words lost": {
        "words_lost": "of the transcripts",
        "wer": "share heard wrong",
        "wer_whisper": "share heard wrong",
        "wer_vs_mixture": "share heard otherwise than in the mixture",
    },
    "music left": {
        "music_residual_db": "in the pauses",
        "music_to_speech_db": "where the mask heard it",
        "music_presence": "its probability",
    },
    "speech quality": {
        "dnsmos_ovrl": "1 to 5",
        "distillmos": "1 to 5",
        "pesq": "1 to 4.6",
        "squim_pesq": "1 to 4.6, guessed",
    },
    "voice kept": {
        "speaker_similarity": "up to 1",
        "stoi": "up to 1",
        "estoi": "up to 1",
        "si_sdr": "over all that is not it",
        "dnsmos_sig": "1 to 5",
        "squim": "up to 1, guessed",
    },
    "level": {
        "level_change_db": "of the voice",
        "lufs": "of the whole sound",
    },
}
#: How many words a file's transcript has.
SPOKEN = "words"


@dataclass(frozen=True)
class Row:
    """A row of the headline, as text.

    gain: positive for the better, None where the change is neither good nor bad
    metric: the name of the one that was measured, empty where none was
    by: what that is, or why none was measured
    """

    name: str
    mixture: str = "–"
    cleaned: str = "–"
    change: str = "–"
    gain: float | None = None
    metric: str = ""
    by: str = ""

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """The row under `HEAD`."""
        source = f"{self.metric}: {self.by}" if self.metric else self.by
        return self.name, self.mixture, self.cleaned, self.change, source


def headline(results: Sequence[FileResult], metrics: Mapping[str, Metric]) -> list[Row]:
    """The five rows: sums of words, and means of everything else, over the files that have both."""
    return [_row(name, choices, results, metrics) for name, choices in ROWS.items()]


def _row(
    name: str,
    choices: Mapping[str, str],
    results: Sequence[FileResult],
    metrics: Mapping[str, Metric],
) -> Row:
    for metric, meaning in choices.items():
        pairs = [pair for result in results if (pair := result.pair(metric))]
        if metric in metrics and pairs:
            return _measured(name, metric, meaning, pairs, results, metrics[metric])
    return Row(name, by=_why_none(choices, results, metrics))


def _measured(
    name: str,
    metric: str,
    meaning: str,
    pairs: Sequence[tuple[float, float]],
    results: Sequence[FileResult],
    kind: Metric,
) -> Row:
    divisor = 1 if metric in COUNTS else len(pairs)
    before, after = (math.fsum(column) / divisor for column in zip(*pairs, strict=True))
    done = len(results) - len(failures(results))
    some = f" ({len(pairs)} of {done} files)" if len(pairs) < done else ""
    return Row(
        name,
        amount(metric, before, kind.unit),
        amount(metric, after, kind.unit),
        amount(metric, after - before, kind.unit, signed=True),
        improvement(before, after, kind),
        metric,
        (_out_of(metric, results) or meaning) + some,
    )


def _out_of(metric: str, results: Sequence[FileResult]) -> str:
    """How many words there are to be lost, if that was measured."""
    pairs = [result.pair(SPOKEN) for result in results if result.pair(metric)]
    known = [pair[0] for pair in pairs if pair]
    if metric not in COUNTS or len(known) < len(pairs):
        return ""
    return f"of {math.fsum(known):,.0f} words"


def _why_none(
    choices: Mapping[str, str], results: Sequence[FileResult], metrics: Mapping[str, Metric]
) -> str:
    asked = [metric for metric in choices if metric in metrics]
    if not any(result.cleaned for result in results):
        return "no file was cleaned"
    if not asked:
        return f"not measured: add {next(iter(choices))} to metrics"
    needs = {str(getattr(metrics[metric], "needs", "")) for metric in asked}
    missing = sorted(NEEDS[one] for one in needs if one)
    return " and ".join(missing) or "none of these files allows it"
