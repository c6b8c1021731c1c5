"""Score every system on the same seeded mixtures, and write the table, the plot and the answer
about fusion into the README.

    python -m experiments.benchmark.run
    python -m experiments.benchmark.run --speech DIR --music DIR --name mine
    python -m experiments.benchmark.run --mixtures DIR --name dev
    options: --count 60 --seed 20261124 --separators embedded_htdemucs,embedded_hdemucs_q

The first mixes what ships, the pilot's voices and music; the second any two folders; the third
takes mixtures that are there already.

Results go to `results/<name>.csv` (a row per mixture and system), `.md` and `.png`; the README
takes them in.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.progress import track as progress

from experiments.benchmark.mixing import mixtures, read, sources
from experiments.benchmark.systems import RULES, SAME_OF_TWO, stages, systems
from experiments.texts import fill
from speechclean.audio.waveform import Audio
from speechclean.stages.metrics.si_sar import SiSar
from speechclean.stages.metrics.si_sdr import SiSdr
from speechclean.stages.metrics.si_sir import SiSir
from speechclean.stages.metrics.stoi import Stoi
from speechclean.stages.types import Separation, Track

HERE = Path(__file__).parent
METRICS = {"SI-SDR": SiSdr(), "SI-SIR": SiSir(), "SI-SAR": SiSar(), "STOI": Stoi()}
Scores = dict[str, list[dict[str, float]]]


def score(options: argparse.Namespace) -> Scores:
    """Every system's metrics on every mixture, in one order."""
    names = options.separators.split(",")
    made = stages([f"separators=[{options.separators}]", "device=cpu"])
    compared = systems(names, made)
    scores: Scores = defaultdict(list)
    for mixture, reference, voice, tune, snr in progress(named(options), "mixtures", options.count):
        answers = {name: made[f"separators.{name}"]([mixture])[0] for name in names}  # type: ignore[operator]
        for name, system in compared.items():
            with torch.inference_mode():
                found = system(mixture, reference, answers)
            row: dict[str, float] = {"snr_db": snr, "speech": voice, "music": tune}  # type: ignore[dict-item]
            scores[name].append(row | judged(found, reference))
    return scores


def named(options: argparse.Namespace) -> Iterator[tuple[Audio, Audio, str, str, float]]:
    """Mixture, reference, names of speech and music, level in dB: read, or mixed anew."""
    if options.mixtures:
        yield from read(options.mixtures)
        return
    voices, tunes, voice_names, tune_names = sources(options.speech, options.music)
    for mixture, reference, voice, tune, snr in mixtures(
        voices, tunes, options.count, options.seed
    ):
        yield mixture, reference, voice_names[voice], tune_names[tune], snr


def judged(found: Separation, reference: Audio) -> dict[str, float]:
    track = Track("x", Path("x"))
    track.__dict__["reference"] = reference  # where cached_property keeps it
    return {name: float(metric(found, track)) for name, metric in METRICS.items()}  # type: ignore[arg-type]


def interval(differences: np.ndarray, groups: list[str], draws: int = 5000) -> tuple[float, float]:
    """95 % confidence interval of a mean, by bootstrap over the pieces of music: mixtures of one
    piece are no two opinions.
    """
    rng = np.random.default_rng(0)
    names = sorted(set(groups))
    sums = np.array(
        [[differences[[g == name for g in groups]].sum(), groups.count(name)] for name in names]
    )
    picks = rng.integers(0, len(names), (draws, len(names)))
    means = sums[picks, 0].sum(1) / sums[picks, 1].sum(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def table(scores: Scores) -> list[str]:
    base, groups = scores["mixture"], [str(row["music"]) for row in scores["mixture"]]
    snrs = np.array([row["snr_db"] for row in base])
    bands = [(low, low + 5) for low in range(-5, 15, 5)]
    head = [
        "system",
        "SI-SDR improvement, dB",
        "95 %",
        *(f"{low} to {high}" for low, high in bands),
        "SI-SIR",
        "SI-SAR",
        "STOI",
    ]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, rows in scores.items():
        gain = np.array(
            [row["SI-SDR"] - one["SI-SDR"] for row, one in zip(rows, base, strict=True)]
        )
        low, high = interval(gain, groups)
        cells = [name, f"{gain.mean():+.2f}", f"{low:+.2f} … {high:+.2f}"]
        for start, end in bands:
            inside = (snrs >= start) & ((snrs < end) | (end == 15))
            cells.append(f"{gain[inside].mean():+.2f}" if inside.any() else "")
        sar = "" if name == "mixture" else f"{np.mean([row['SI-SAR'] for row in rows]):.1f}"
        cells += [
            f"{np.mean([row['SI-SIR'] for row in rows]):.1f}",
            sar,
            f"{np.mean([row['STOI'] for row in rows]):.3f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def fusion(scores: Scores) -> list[str]:
    """Rules against max, pair by pair on the same mixtures."""
    groups = [str(row["music"]) for row in scores["mixture"]]
    head = (
        "whole pipeline: SI-SDR, dB (95 %)",
        "masks only: SI-SDR, dB (95 %)",
        "whole pipeline: STOI (95 %)",
    )
    lines = [f"| less max | {' | '.join(head)} |"]
    lines.append("|---|---|---|---|")

    def difference(one: str, other: str, metric: str, digits: int) -> str:
        pairs = zip(scores[one], scores[other], strict=True)
        values = np.array([row[metric] - against[metric] for row, against in pairs])
        low, high = interval(values, groups)
        return f"{values.mean():+.{digits}f} ({low:+.{digits}f} … {high:+.{digits}f})"

    singles = [name for name in scores if name.startswith("pipeline, ") and name.endswith(" alone")]
    rules = [rule for rule in RULES if rule != "max" and f"pipeline, {rule}" in scores]
    for rule in rules:
        whole, masks = (
            (f"pipeline, {rule}", "pipeline, max"),
            (f"{rule} of masks only", "max of masks only"),
        )
        cells = [
            rule,
            difference(*whole, "SI-SDR", 2),
            difference(*masks, "SI-SDR", 2),
            difference(*whole, "STOI", 4),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for single in singles:
        pair = (single, "pipeline, max")
        name = single.removeprefix("pipeline, ")
        lines.append(
            f"| {name} | {difference(*pair, 'SI-SDR', 2)} | | {difference(*pair, 'STOI', 4)} |"
        )
    wholes = [name for name in scores if name.startswith("pipeline, ")]
    best = max(wholes, key=lambda name: np.mean([row["SI-SDR"] for row in scores[name]]))
    same = " (of two separators the median is the mean)" if SAME_OF_TWO else ""
    alone = [
        f"{single.removeprefix('pipeline, ')}: {difference(best, single, 'SI-SDR', 2)} dB"
        for single in singles
    ]
    tools = [
        f"{tool}: {difference(best, tool, 'SI-SDR', 2)} dB" for tool in ("spectral gating", "HPSS")
    ]
    return [
        *lines,
        "",
        f"Best by mean SI-SDR: **{best.removeprefix('pipeline, ')}**{same}.",
        f"It is ahead of one separator alone ({'; '.join(alone)}) and of simpler tools "
        f"({'; '.join(tools)}).",
    ]


def plot(scores: Scores, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    base, groups = scores["mixture"], [str(row["music"]) for row in scores["mixture"]]
    names = [name for name in scores if name != "mixture"][::-1]
    gains = [
        np.array([r["SI-SDR"] - b["SI-SDR"] for r, b in zip(scores[name], base, strict=True)])
        for name in names
    ]
    figure = Figure(figsize=(9, 0.34 * len(names) + 1), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    rng = np.random.default_rng(0)
    for place, gain in enumerate(gains):
        low, high = interval(gain, groups)
        axes.plot(
            gain,
            place + rng.uniform(-0.18, 0.18, len(gain)),
            ".",
            color="0.72",
            markersize=3,
            zorder=1,
        )
        axes.plot([low, high], [place, place], color="C0", linewidth=3, zorder=2)
        axes.plot(gain.mean(), place, "o", color="C0", markersize=5, zorder=3)
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("SI-SDR improvement, dB: mean with 95 % interval, and each mixture")
    axes.set_xlim(max(-15, min(g.min() for g in gains)), min(30, max(g.max() for g in gains)))
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speech")
    parser.add_argument("--music")
    parser.add_argument(
        "--mixtures", type=Path, help="folder with mixtures.tsv, instead of speech and music"
    )
    parser.add_argument("--name", default="shipped", help="of the results")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--separators", default="embedded_htdemucs,embedded_hdemucs_q")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    options = parser.parse_args()
    scores = score(options)
    options.count = len(scores["mixture"])
    options.results.mkdir(exist_ok=True, parents=True)
    with (options.results / f"{options.name}.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("system", "number", "snr_db", "speech", "music", *METRICS))
        for name, rows in scores.items():
            for number, row in enumerate(rows):
                values = [f"{row[metric]:.4f}" for metric in METRICS]
                writer.writerow(
                    (name, number, f"{row['snr_db']:.2f}", row["speech"], row["music"], *values)
                )
    tunes = len({row["music"] for row in scores["mixture"]})
    seeded = "" if options.mixtures else f", seed {options.seed}"
    lines = [f"{options.count} mixtures, {tunes} pieces of music{seeded}.", "", *table(scores), ""]
    lines += [*fusion(scores), "", f"![SI-SDR improvement](results/{options.name}.png)"]
    (options.results / f"{options.name}.md").write_text("\n".join(lines) + "\n")
    plot(scores, options.results / f"{options.name}.png")
    if options.results == HERE / "results":
        fill(HERE / "README.md", {options.name: "\n".join(lines)})
    print("\n".join(lines))


if __name__ == "__main__":
    main()
