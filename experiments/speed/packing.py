r"""What padding to common lengths costs networks that were trained: decibels and words.

    (cd ../shared/data/dev && python mix.py --root . --n 60 --out /tmp/mixtures)
    python -m experiments.speed.packing /tmp/mixtures

Each network alone, one shift, on the CPU; `length_step_s` 0 is the length of each clip itself.
SI-SDR is that of the speech, words are Whisper base's where the mixture's text is known. Writes
packing.json and packing.md into results/, which experiments.speed.table puts into the texts.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.speed.compare import RESULTS
from speechclean.audio.sound_files import load
from speechclean.audio.waveform import Audio, resample
from speechclean.stages.metrics.alignment import align, normalise
from speechclean.stages.metrics.recogniser import Recogniser
from speechclean.stages.metrics.si_sdr import si_sdr
from speechclean.stages.separators.demucs import DemucsSeparator
from speechclean.stages.separators.precision import snr_db

NAMES = ("embedded_hdemucs_q", "embedded_hdemucs24", "embedded_hdemucs36")
STEPS_S = (0.0, 0.5, 1.0, 2.0)


def mixtures(folder: Path) -> list[tuple[Audio, Audio, str]]:
    """Mixture, speech and text of each, the sounds in mono."""
    with (folder / "mixtures.tsv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [
        (
            load(folder / f"{row['id']}_mix.wav").mono(),
            load(folder / f"{row['id']}_speech.wav").mono(),
            row["text"],
        )
        for row in rows
    ]


def compare(name: str, sounds: list[tuple[Audio, Audio, str]]) -> list[dict[str, Any]]:
    """A row for each step: means over the files, and what changed against step 0."""
    ear = Recogniser("base", "cpu", 0, 2)
    own: list[Audio] = []
    rows = []
    for step_s in STEPS_S:
        separator = DemucsSeparator(
            name, "embedded", device="cpu", edge_context_s=0.5, length_step_s=step_s
        )
        speech = [separator([mixture])[0].speech for mixture, _, _ in sounds]
        own = own or speech
        quality, lost, words = [], 0, 0
        for found, (_, reference, text) in zip(speech, sounds, strict=True):
            at_rate = resample(found, reference.sample_rate, reference.samples)
            value = si_sdr(at_rate.waveform, reference.waveform)
            assert value is not None
            quality.append(value)
            if text:
                heard = align(normalise(text), normalise(ear.hear(at_rate, "en")))
                lost, words = lost + heard.lost, words + len(normalise(text).split())
        agreement = [
            min(snr_db(a.waveform, b.waveform), 200.0) for a, b in zip(own, speech, strict=True)
        ]
        rows.append(
            {
                "network": name,
                "step_s": step_s,
                "si_sdr_db": fmean(quality),
                "lost": lost,
                "words": words,
                "agreement_db": fmean(agreement),
                "qualities_db": quality,
            }
        )
        print(rows[-1] | {"qualities_db": "..."}, flush=True)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as markdown."""
    lines = [
        "| network | step, s | SI-SDR, dB | change, mean | worst file | words lost | agreement |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    own = {row["network"]: row for row in rows if not row["step_s"]}
    for row in rows:
        before = own[row["network"]]
        changes = [b - a for a, b in zip(before["qualities_db"], row["qualities_db"], strict=True)]
        lines.append(
            f"| {row['network']} | {row['step_s']:g} | {row['si_sdr_db']:.3f} "
            f"| {fmean(changes):+.3f} | {min(changes):+.2f} | {row['lost']} of {row['words']} "
            f"| {'' if row is before else format(row['agreement_db'], '.0f') + ' dB'} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mixtures", type=Path)
    parser.add_argument("--names", nargs="+", default=list(NAMES), choices=NAMES)
    options = parser.parse_args()
    sounds = mixtures(options.mixtures)
    rows = [row for name in options.names for row in compare(name, sounds)]
    (RESULTS / "packing.json").write_text(json.dumps(rows, indent=1) + "\n")
    (RESULTS / "packing.md").write_text(table(rows) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
