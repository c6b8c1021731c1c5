r"""What networks should hear beyond the ends of a file: bursts there, by what they are given.

    (cd ../shared/data/dev && python mix.py --root . --n 80 --out /tmp/mixtures)
    python -m experiments.edges.measure --mixtures /tmp/mixtures \
        --clean ../shared/data/dev/speech --first 20 --last-s 2.5 schemes
    python -m experiments.edges.measure --mixtures /tmp/mixtures \
        --clean ../shared/data/dev/speech knob

Of the mixtures those count that begin and end with music alone. A burst is an end (60 ms) that
rises by more than 10 dB over the half second beside it, and lies above -60 dBFS. `schemes` gives
the networks a longer file, made here in several ways, and cuts their answers; `knob` is the field
`edge_context_s` of the separators. What follows the command are overrides of conf/config.yaml.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median

import torch
from torch import Tensor

from experiments.edges.schemes import SCHEMES, Extended, inside
from experiments.texts import record
from speechclean.audio.sound_files import load
from speechclean.audio.waveform import Audio
from speechclean.experiment.config.build import build
from speechclean.experiment.config.compose import composed
from speechclean.stages.metrics.si_sdr import si_sdr as si_sdr_or_none
from speechclean.stages.pipeline import Pipeline

HERE = Path(__file__).parent
EDGE_S, BESIDE_S = 0.06, 0.5
RISE_DB, LEAST_DBFS = 10.0, -60.0
SECONDS, USUAL_S = (0.1, 0.3, 0.5, 1.0), 0.5


@dataclass(frozen=True)
class Edge:
    """Level of one end of a cleaned file, and how much it rises over what is beside it, in dB."""

    dbfs: float
    rise_db: float

    @property
    def bursts(self) -> bool:
        return self.rise_db > RISE_DB and self.dbfs > LEAST_DBFS


def edges(audio: Audio) -> tuple[Edge, Edge]:
    """The beginning and the end."""
    edge, beside = round(EDGE_S * audio.sample_rate), round(BESIDE_S * audio.sample_rate)
    found = []
    for waveform in (audio.waveform, audio.waveform.flip(-1)):
        here = level_db(waveform[:, :edge])
        found.append(Edge(here, here - level_db(waveform[:, edge : edge + beside])))
    return found[0], found[1]


def si_sdr(estimate: Tensor, reference: Tensor) -> float:
    found = si_sdr_or_none(estimate, reference)
    assert found is not None
    return found


def last(audio: Audio, seconds: float | None) -> Audio:
    """The last seconds of a sound, or all of it."""
    return audio.with_waveform(audio.waveform[:, -round((seconds or 1e6) * audio.sample_rate) :])


def level_db(waveform: Tensor) -> float:
    return float(10 * waveform.double().square().mean().clamp(min=1e-12).log10())


def with_music_at_the_ends(folder: Path) -> Iterator[tuple[Audio, Audio]]:
    """Mixture and reference, of those with a lead-in and a tail."""
    with (folder / "mixtures.tsv").open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if float(row["lead_s"]) and float(row["tail_s"]):
                yield (
                    load(next(folder.glob(f"{row['id']}_mix.*"))),
                    load(next(folder.glob(f"{row['id']}_speech.*"))),
                )


def measured(
    pipeline: Pipeline, pairs: Sequence[tuple[Audio, Audio]], clean: Sequence[Audio]
) -> dict[str, float]:
    """One row of the table."""
    ends: list[tuple[Edge, Edge]] = []
    gains: list[float] = []
    for mixture, reference in pairs:
        speech = pipeline([mixture])[0].speech
        ends.append(edges(speech))
        gains.append(
            si_sdr(speech.waveform, reference.waveform)
            - si_sdr(mixture.waveform, reference.waveform)
        )
    kept = [si_sdr(pipeline([voice])[0].speech.waveform, voice.waveform) for voice in clean]
    row = {}
    for name, several in zip(("beginning", "end"), zip(*ends, strict=True), strict=True):
        row[f"bursts_{name}"] = float(sum(one.bursts for one in several))
        row[f"dbfs_{name}"] = median(one.dbfs for one in several)
        row[f"rise_{name}"] = median(one.rise_db for one in several)
    return row | {"gain_db": fmean(gains), "clean_db": fmean(kept), "clean_least_db": min(kept)}


def candidates(command: str, pipeline: Pipeline) -> Iterator[tuple[str, Pipeline]]:
    """What is compared, by name."""
    if command == "knob":
        for seconds in (0.0, *SECONDS):
            own = {
                name: replace(one, edge_context_s=seconds)  # type: ignore[type-var]
                for name, one in pipeline.separators.items()
            }
            yield f"edge_context_s={seconds}", replace(pipeline, separators=own)
        return
    yield "as it was", pipeline
    pairs = [(scheme, USUAL_S) for scheme in SCHEMES]
    for scheme, seconds in [*pairs, *((inside, one) for one in SECONDS if one != USUAL_S)]:
        longer = {name: Extended(one, scheme, seconds) for name, one in pipeline.separators.items()}
        yield f"{scheme.__name__}, {seconds} s", replace(pipeline, separators=longer)


def table(rows: dict[str, dict[str, float]], mixtures: int, voices: int) -> str:
    lines = [
        f"{mixtures} mixtures that begin and end with music alone, {voices} clean voices.",
        "",
        "| beyond the ends | bursts at the beginning | at the end | last 60 ms, median dBFS "
        "| rise, median dB | SI-SDR gain, dB | clean speech, mean SI-SDR in dB | least |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {row['bursts_beginning']:.0f} | {row['bursts_end']:.0f} "
        f"| {row['dbfs_end']:.0f} | {row['rise_end']:+.0f} | {row['gain_db']:+.2f} "
        f"| {row['clean_db']:.1f} | {row['clean_least_db']:.1f} |"
        for name, row in rows.items()
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mixtures", type=Path, required=True)
    parser.add_argument("--clean", type=Path, required=True)
    parser.add_argument("--first", type=int, help="so many mixtures, and half as many voices")
    parser.add_argument("--last-s", type=float, help="only so many seconds of every file, its last")
    parser.add_argument("--name", help="of the results; the command's by itself")
    parser.add_argument("command", choices=("schemes", "knob"))
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)
    fixed = ["tracking=none", "device=cpu", "metrics=[]", "edge_context_s=0"]
    cfg = composed([*fixed, *options.overrides], with_hydra=True)
    cfg.output.dir, cfg.name = "outputs", "edges"
    pipeline = build(cfg).pipeline
    pairs = [
        (last(mixture, options.last_s), last(voice, options.last_s))
        for mixture, voice in with_music_at_the_ends(options.mixtures)
    ][: options.first]
    clean = [last(load(path), options.last_s) for path in sorted(options.clean.iterdir())]
    clean = clean[: options.first // 2 if options.first else None]
    rows = {}
    for name, one in candidates(options.command, pipeline):
        rows[name] = measured(one, pairs, clean)
        print(name, rows[name], flush=True)
    name = options.name or options.command
    record(HERE, name, rows, table(rows, len(pairs), len(clean)))
    print((HERE / "README.md").read_text())


if __name__ == "__main__":
    main()
