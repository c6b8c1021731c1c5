r"""The tables of `words.py`: what was run of it, into `results/words.*` and the README.

    python -m experiments.benchmark.words_table --set DIR/set.csv --work W

Words are sums over the set. The interval of a system's lost words, less the mixture's, is a
bootstrap over voices and pieces of music at once (both are drawn with replacement; a mixture counts
as often as its voice was drawn times as often as its piece: Owen, "The pigeonhole bootstrap",
Annals of Applied Statistics 1, 2007).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.benchmark.words import HERE, METRICS, measured, rows, set_and_work, systems
from experiments.texts import fill
from speechclean.records.results.summary_page import markdown

RESULTS = HERE / "results"
BANDS = ((-5.0, 0.0), (0.0, 5.0), (5.0, 10.0), (10.0, 15.0))
#: A rise of the last or first moments by so many dB is heard as a burst of music.
BURST_DB = 10.0
MEANS = {
    "stoi": ("STOI", 3),
    "pesq": ("PESQ", 2),
    "dnsmos_ovrl": ("DNSMOS", 2),
    "speaker_similarity": ("speaker", 3),
    "music_residual_db": ("pauses, dB", 1),
}


@dataclass(frozen=True)
class Scores:
    """Metrics of one system on every mixture of the set, in its order: `[mixtures]`, NaN where a
    metric does not apply.
    """

    name: str
    values: Mapping[str, np.ndarray]

    def lost(self) -> np.ndarray:
        """Words of each mixture that were not understood."""
        return self.values["words_lost"]


@dataclass(frozen=True)
class Set:
    """What is known of every mixture of the set: `[mixtures]`."""

    aliases: Sequence[str]
    words: np.ndarray
    snr_db: np.ndarray
    voices: Sequence[str]
    pieces: Sequence[str]

    @classmethod
    def read(cls, path: Path) -> Set:
        """The set of a `set.csv`."""
        listed = rows(path)
        return cls.of(listed, [len(row["transcript"].split()) for row in listed])

    @classmethod
    def of(cls, listed: Sequence[Mapping[str, str]], words: Sequence[int]) -> Set:
        """The set of rows with `alias`, `snr_db`, `voice` and `piece`, of so many words each."""
        return cls(
            [row["alias"] for row in listed],
            np.array(words),
            np.array([float(row["snr_db"]) for row in listed]),
            [row["voice"] for row in listed],
            [row["piece"] for row in listed],
        )

    def band(self, low: float, high: float) -> np.ndarray:
        """Which mixtures lie in a band of levels; the last band holds its upper end."""
        return (self.snr_db >= low) & ((self.snr_db < high) | (high == BANDS[-1][1]))


def scores(name: str, path: Path, aliases: Sequence[str], state: str) -> Scores:
    """Metrics of a run; `state` is `mixture` or `cleaned`."""
    by_alias = {row["alias"]: row for row in rows(path)}
    values = {}
    for metric in METRICS:
        cells = [by_alias[alias].get(f"{metric}_{state}", "") for alias in aliases]
        values[metric] = np.array([float(cell) if cell else np.nan for cell in cells])
    return Scores(name, values)


def interval(
    difference: np.ndarray, known: Set, inside: np.ndarray, draws: int = 4000
) -> tuple[float, float]:
    """95 % interval of a difference of words, per 100 words, over voices and pieces."""
    rng = np.random.default_rng(0)
    weights = np.ones((draws, int(inside.sum())))
    for labels in (known.voices, known.pieces):
        here = np.array(labels)[inside]
        names = np.unique(here)
        counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
        weights *= counts[:, np.searchsorted(names, here)]
    total = weights @ known.words[inside]
    drawn = 100 * (weights @ difference[inside])[total > 0] / total[total > 0]
    return float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))


def gain_db(one: Scores, mixture: Scores) -> float:
    """Mean SI-SDR gain over the mixtures, in dB."""
    return float(np.nanmean(one.values["si_sdr"] - mixture.values["si_sdr"]))


def bursts(one: Scores) -> int:
    """Mixtures of which an end bursts."""
    return int((one.values["edge_burst_db"] > BURST_DB).sum())


def keeps_words(one: Scores, mixture: Scores, known: Set) -> bool:
    """No more words lost than in the mixtures in all, nor in any band beyond the interval."""
    difference = one.lost() - mixture.lost()
    if difference.sum() > 0:
        return False
    return all(interval(difference, known, known.band(*band))[0] <= 0 for band in BANDS)


def words_table(
    found: Sequence[Scores], mixture: Scores, known: Set, costs: Mapping[str, float]
) -> str:
    """A row for each system."""
    everything = np.ones(len(known.aliases), bool)
    total = int(known.words.sum())
    head = [
        "system",
        f"lost of {total}",
        "less the mixture's, per 100 words (95 %)",
        *(f"{low:.0f} to {high:.0f} dB" for low, high in BANDS),
        "invented",
        "keeps words",
        "SI-SDR gain, dB",
        *(label for label, _ in MEANS.values()),
        "bursts",
        "core-s per s",
    ]
    body = []
    for one in found:
        difference = one.lost() - mixture.lost()
        low, high = interval(difference, known, everything)
        share = 100 * difference.sum() / total
        lost = [f"{one.lost()[known.band(*band)].sum():.0f}" for band in BANDS]
        body.append(
            [
                one.name,
                f"{one.lost().sum():.0f}",
                "" if one is mixture else f"{share:+.1f} ({low:+.1f} … {high:+.1f})",
                *lost,
                f"{one.values['words_invented'].sum():.0f}",
                "yes" if keeps_words(one, mixture, known) else "no",
                f"{gain_db(one, mixture):+.2f}",
                *(_mean(one.values[metric], digits) for metric, (_, digits) in MEANS.items()),
                f"{bursts(one)}",
                f"{costs[one.name]:.3f}" if one.name in costs else "",
            ]
        )
    return "\n".join(markdown(head, body))


def _mean(values: np.ndarray, digits: int) -> str:
    return "" if np.isnan(values).all() else f"{np.nanmean(values):.{digits}f}"


def clean_table(found: Sequence[Scores], before: Scores) -> str:
    """What becomes of clean speech."""
    head = [
        "system",
        "lost",
        "lost before",
        "SI-SDR, dB: worst, median",
        "STOI: worst",
        "speaker similarity: worst, mean",
    ]
    body = []
    for one in found:
        ratio, same = one.values["si_sdr"], one.values["speaker_similarity"]
        body.append(
            [
                one.name,
                f"{one.lost().sum():.0f}",
                f"{before.lost().sum():.0f}",
                f"{np.nanmin(ratio):.1f}, {np.nanmedian(ratio):.1f}",
                f"{np.nanmin(one.values['stoi']):.4f}",
                f"{np.nanmin(same):.3f}, {np.nanmean(same):.3f}",
            ]
        )
    return "\n".join(markdown(head, body))


def read_runs(work: Path, known: Set, named: Mapping[str, Sequence[str]]) -> list[Scores]:
    """The mixture first, then every system of `named` that was run, in its order."""
    found: list[Scores] = []
    for name, overrides in named.items():
        if path := measured(work, name, overrides):
            if not found:
                found.append(scores("mixture", path, known.aliases, "mixture"))
            found.append(scores(name, path, known.aliases, "cleaned"))
    return found


def read_costs() -> dict[str, float]:
    """Seconds of one core for a second of sound, of every system that `cost.py` has timed."""
    path = RESULTS / "cost.csv"
    listed = rows(path) if path.is_file() else []
    return {row["system"]: float(row["core_s_per_s"]) for row in listed}


def main() -> None:
    """Write the tables."""
    parser = set_and_work(__doc__)
    options = parser.parse_args()
    known = Set.read(options.set)
    named = systems()
    found = read_runs(options.work, known, named)
    if not found:
        parser.error(f"{options.work}: nothing was run there; see words.py")
    told = {"words": words_table(found, found[0], known, read_costs())}
    if clean := read_runs(options.work / "clean", known, named):
        told["clean"] = clean_table(clean[1:], clean[0])
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "words.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("system", "alias", "words", "snr_db", "voice", "piece", *METRICS))
        for one in found:
            for place, alias in enumerate(known.aliases):
                cells = [f"{one.values[metric][place]:.4f}" for metric in METRICS]
                at = (f"{known.snr_db[place]:.2f}", known.voices[place], known.pieces[place])
                writer.writerow((one.name, alias, known.words[place], *at, *cells))
    fill(HERE / "README.md", told)
    print("\n\n".join(told.values()))


if __name__ == "__main__":
    main()
