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
from typing import Any

import torch
from rich.progress import track as progress

from experiments.benchmark.mixing import mixtures, read, sources
from experiments.benchmark.systems import stages, systems
from experiments.benchmark.tables import Row, Scores, fusion, plot, table
from experiments.texts import fill
from speechclean.audio.waveform import Audio
from speechclean.stages.metrics.si_sar import SiSar
from speechclean.stages.metrics.si_sdr import SiSdr
from speechclean.stages.metrics.si_sir import SiSir
from speechclean.stages.metrics.stoi import Stoi
from speechclean.stages.types import Separation, Track

HERE = Path(__file__).parent
METRICS: dict[str, Any] = {"SI-SDR": SiSdr(), "SI-SIR": SiSir(), "SI-SAR": SiSar(), "STOI": Stoi()}
#: What followed fusion when these tables were made: no floor, a Wiener mask.
FINISH = ("postprocess=[beta_wiener,loudness]", "postprocess.beta_wiener.beta=0.25")


def score(options: argparse.Namespace) -> Scores:
    """Every system's metrics on every mixture, in one order."""
    names = options.separators.split(",")
    made = stages([f"separators=[{options.separators}]", "device=cpu", *FINISH])
    compared = systems(names, made)
    scores: Scores = defaultdict(list)
    for mixture, reference, voice, tune, snr in progress(named(options), "mixtures", options.count):
        answers = {name: made[f"separators.{name}"]([mixture])[0] for name in names}
        for name, system in compared.items():
            with torch.inference_mode():
                found = system(mixture, reference, answers)
            row: Row = {"snr_db": snr, "speech": voice, "music": tune}
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


def judged(found: Separation, reference: Audio) -> Row:
    """Every metric of an estimate."""
    track = Track("x", Path("x"))
    track.__dict__["reference"] = reference  # where cached_property keeps it
    return {name: metric(found, track) for name, metric in METRICS.items()}


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
